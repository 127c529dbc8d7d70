using Portcullis.Host.Links;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.Host.Demo;

/// <summary>A pod of a <see cref="PodNetwork"/>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Addresses">Its addresses, at most one of each family.</param>
/// <param name="Network">The namespace that is the pod's network.</param>
/// <param name="HostInterface">The name of its veth's other end, in the node's namespace.</param>
public sealed record NetworkPod(NamespacedName Name, EquatableArray<IpAddress> Addresses, NetworkNamespace Network, string HostInterface)
{
    /// <summary>Its address of a family.</summary>
    /// <exception cref="InvalidOperationException">It has none.</exception>
    public IpAddress Address(IpFamily family) => Addresses.Items.First(address => address.Family == family);
}

/// <summary>
/// A node and its pods, each in a network namespace of its own, wired as the VPC CNI does and in its order: one veth for each pod, made and
/// set up in the pod, the pod's address a /32 or /128, in the pod a default route by a link-local address that the node's end of the
/// veth answers for; then that end is moved to the node and set up, and gets a host route to the pod. The machine's own network stays
/// untouched. Disposing removes everything.
/// </summary>
public sealed class PodNetwork : IDisposable
{
    // One for every node end: the links never meet.
    private const string HostMac = "ee:ee:ee:ee:ee:ee";

    private readonly string _prefix;
    private readonly List<NetworkPod> _pods = [];

    private PodNetwork(string prefix, NetworkNamespace node)
    {
        _prefix = prefix;
        Node = node;
    }

    /// <summary>The node's network. The agent runs in it.</summary>
    public NetworkNamespace Node { get; }

    /// <summary>The pods, in the order they were added.</summary>
    public IReadOnlyList<NetworkPod> Pods => _pods;

    /// <summary>Makes a node without pods.</summary>
    /// <param name="prefix">What the names of all namespaces start with; no other user of the machine may have it.</param>
    /// <param name="nodeAddresses">The node's own addresses.</param>
    /// <exception cref="IpCommandException">The kernel refused, or the process is not root.</exception>
    public static PodNetwork Create(string prefix, params IpAddress[] nodeAddresses)
    {
        ArgumentNullException.ThrowIfNull(nodeAddresses);
        var network = new PodNetwork(prefix, NetworkNamespace.Create($"{prefix}-node"));
        try
        {
            network.Node.SetSysctl("ipv4/ip_forward", "1");
            network.Node.SetSysctl("ipv6/conf/all/forwarding", "1");
            SkipDuplicateAddressDetection(network.Node);
            network.Node.Ip(string.Join('\n', nodeAddresses.Select(address => $"addr add {IpPrefix.Host(address)} dev lo")));
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Removes the namespaces that a killed process left under a prefix, and with them everything in them.</summary>
    /// <returns>Their names.</returns>
    public static IReadOnlyList<string> RemoveRemains(string prefix)
    {
        var names = NetworkNamespace.List(prefix + "-");
        foreach (var name in names)
        {
            NetworkNamespace.Delete(name);
        }

        return names;
    }

    /// <summary>The name of the node's end of a pod's veth: <c>eni</c> and eleven digits, as with the VPC CNI.</summary>
    public static string HostInterfaceOf(NamespacedName pod) => VpcInterfaceNames.NameOf(pod);

    /// <summary>Adds a pod.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="addresses">Its addresses, at most one of each family.</param>
    /// <exception cref="IpCommandException">The kernel refused.</exception>
    public NetworkPod AddPod(NamespacedName name, params IpAddress[] addresses) => AddPod(name, addresses, _ => { });

    /// <summary>Adds a pod.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="addresses">Its addresses, at most one of each family.</param>
    /// <param name="beforeInterface">Called when the pod has no interface yet.</param>
    /// <param name="announced">Called when the kernel has announced the node's end of the interface, which is still down: nothing passes yet.</param>
    /// <exception cref="IpCommandException">The kernel refused.</exception>
    public NetworkPod AddPod(NamespacedName name, IReadOnlyList<IpAddress> addresses, Action<NetworkNamespace> beforeInterface, Action? announced = null)
    {
        ArgumentNullException.ThrowIfNull(addresses);
        ArgumentNullException.ThrowIfNull(beforeInterface);
        var network = NetworkNamespace.Create($"{_prefix}-{name.Namespace}-{name.Name}");
        beforeInterface(network);
        var pod = new NetworkPod(name, [.. addresses], network, HostInterfaceOf(name));
        _pods.Add(pod);
        SkipDuplicateAddressDetection(network);
        network.Ip(string.Join('\n', [
            $"link add eth0 type veth peer name {pod.HostInterface} address {HostMac}",
            $"link set {pod.HostInterface} up",
            "link set eth0 up",
            .. addresses.SelectMany(PodCommands),
            $"link set {pod.HostInterface} netns {Node.Name}",
        ]));
        announced?.Invoke();
        Node.Ip(string.Join('\n', [
            $"link set {pod.HostInterface} up",
            .. addresses.Select(address => $"route add {IpPrefix.Host(address)} dev {pod.HostInterface}"),
        ]));
        return pod;
    }

    /// <summary>Removes a pod and its interfaces.</summary>
    public void RemovePod(NetworkPod pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        Node.Ip($"link del {pod.HostInterface}");
        pod.Network.Dispose();
        _pods.Remove(pod);
    }

    /// <summary>Removes everything.</summary>
    public void Dispose()
    {
        foreach (var pod in _pods)
        {
            pod.Network.Dispose();
        }

        Node.Dispose();
    }

    private static IEnumerable<string> PodCommands(IpAddress address)
    {
        var gateway = address.Family == IpFamily.IPv4 ? "169.254.1.1" : "fe80::1";
        return
        [
            // Without nodad the address is tentative until the kernel gets round to it, whatever accept_dad says.
            $"addr add {IpPrefix.Host(address)} dev eth0{(address.Family == IpFamily.IPv6 ? " nodad" : string.Empty)}",
            $"neigh add {gateway} lladdr {HostMac} dev eth0 nud permanent",
            $"route add default via {gateway} dev eth0 onlink",
        ];
    }

    // An address would otherwise stay tentative, that is unusable, for a second.
    private static void SkipDuplicateAddressDetection(NetworkNamespace network)
    {
        network.SetSysctl("ipv6/conf/all/accept_dad", "0");
        network.SetSysctl("ipv6/conf/default/accept_dad", "0");
    }
}
