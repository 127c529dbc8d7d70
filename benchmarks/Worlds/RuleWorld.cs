using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Benchmarks.Worlds;

/// <summary>
/// A cluster as one node sees it. Its pods have <c>rules</c> ingress rules, ten a policy, spread over at most
/// <see cref="MaxPods"/> pods; they name <see cref="Sets"/> different selectors, which share <c>addresses</c> pods on other nodes.
/// Pods client and server are policed in both directions: the client may open connections to the server, nothing else passes
/// between them, so that answers need state.
/// </summary>
internal sealed class RuleWorld
{
    public const string Node = "node";
    public const int UdpPort = 9;
    public const int ThroughputPort = 5201;
    public const int ConnectPort = 5202;

    /// <summary>A port the server does not serve.</summary>
    public const int DeniedPort = 10;

    /// <summary>What Kubernetes lets a node have unless it is told otherwise.</summary>
    public const int MaxPods = 110;
    public const int RulesPerPolicy = 10;
    private const int Sets = 100;

    private int _serial;

    public RuleWorld(int rules, int addresses)
    {
        (Rules, Addresses) = (rules, addresses);
        Pods = Math.Clamp(rules / RulesPerPolicy, 1, MaxPods);
        Peers = [.. Enumerable.Range(0, addresses).Select(index => Peer(index, generation: 0))];
        Policies = [.. Enumerable.Range(0, rules / RulesPerPolicy).Select(index => Policy(index, serial: 0))];
    }

    public static IReadOnlyList<IpAddress> NodeAddresses { get; } = [IpAddress.Parse("10.240.0.1"), IpAddress.Parse("fd00:240::1")];

    public static IReadOnlyList<IpAddress> ClientAddresses { get; } = [IpAddress.Parse("10.240.0.2"), IpAddress.Parse("fd00:240::2")];

    public static IReadOnlyList<IpAddress> ServerAddresses { get; } = [IpAddress.Parse("10.240.0.3"), IpAddress.Parse("fd00:240::3")];

    public int Rules { get; }

    public int Addresses { get; }

    /// <summary>How many pods of this node the rules are spread over; the server is the first.</summary>
    public int Pods { get; }

    public IReadOnlyList<Workload> Peers { get; }

    public IReadOnlyList<NetworkPolicy> Policies { get; }

    public static Workload Client { get; } = Local("client", ClientAddresses);

    public static Workload Server { get; } = Local("server", ServerAddresses);

    /// <summary>Everything, as a source yields it.</summary>
    public IEnumerable<Resource> Resources =>
    [
        Client,
        Server,
        .. Enumerable.Range(1, Pods - 1).Select(LocalPod),
        .. Peers,
        .. Policies,
        new NetworkPolicy
        {
            Namespace = "default",
            Name = "client",
            PodSelector = Select("pod", "client"),
            Types = PolicyTypes.Ingress | PolicyTypes.Egress,
            Egress = [new NetworkPolicyRule([Labelled("pod", "server")], [])],
        },
        new NetworkPolicy
        {
            Namespace = "default",
            Name = "server",
            PodSelector = Select("pod", "server"),
            Types = PolicyTypes.Ingress | PolicyTypes.Egress,
            Ingress = [new NetworkPolicyRule([Labelled("pod", "client")], [Port(IpProtocol.Udp, UdpPort), Port(IpProtocol.Tcp, ThroughputPort), Port(IpProtocol.Tcp, ConnectPort)])],
        },
    ];

    /// <summary>The peer and the port that the rule of this number lets through; others write such rules by hand.</summary>
    public (IpAddress Peer, int Port) ByHand(int rule, IpFamily family) =>
        (Peers[rule % Peers.Count].Addresses.First(address => address.Family == family), PortOf(rule));

    /// <summary>A pod of this node other than client and server; the interface of pod n has n in its name.</summary>
    public static Workload LocalPod(int index) =>
        Local($"local-{index}", [IpAddress.V4(0x0af10000u + (uint)index), IpAddress.V6(((UInt128)0xfd00_0241_0000_0000 << 64) + (uint)index)]);

    /// <summary>One pod more on another node.</summary>
    public Resource NewPeer() => Peer(Addresses + ++_serial, generation: 0);

    /// <summary>A policy with one port changed.</summary>
    public Resource ChangedPolicy() => Policy(++_serial % Policies.Count, _serial);

    /// <summary>A pod of another node under another label than before.</summary>
    public Resource RelabelledPeer()
    {
        _serial++;
        var peer = Peers[_serial % Peers.Count];
        return peer with { Labels = LabelSet.Of(("set", $"{(_serial + 1 + (_serial / Peers.Count)) % Sets}")) };
    }

    /// <summary>Every pod of other nodes with other addresses than before.</summary>
    public IReadOnlyList<Resource> ReplacedPeers()
    {
        var generation = ++_serial % 2;
        return [.. Enumerable.Range(0, Addresses).Select(index => Peer(index, generation))];
    }

    private static Workload Local(string name, IReadOnlyList<IpAddress> addresses) => new()
    {
        Namespace = "default",
        Name = name,
        NodeName = Node,
        Labels = LabelSet.Of(("pod", name)),
        Addresses = [.. addresses],
    };

    // Every fifth address, as pods of other nodes lie in blocks that are never full.
    private static Workload Peer(int index, int generation) => new()
    {
        Namespace = "default",
        Name = $"peer-{index}",
        NodeName = "elsewhere",
        Labels = LabelSet.Of(("set", $"{index % Sets}")),
        Addresses =
        [
            IpAddress.V4(0x0b000000u + ((uint)generation << 24) + ((uint)index * 5)),
            IpAddress.V6(((UInt128)(0xfd01_0000_0000_0000 + ((ulong)generation << 48)) << 64) + ((UInt128)(uint)(index / 250) << 64) + (uint)index),
        ],
    };

    private NetworkPolicy Policy(int index, int serial)
    {
        var pod = index % Pods;
        return new NetworkPolicy
        {
            Namespace = "default",
            Name = $"policy-{index}",
            PodSelector = Select("pod", pod == 0 ? "server" : $"local-{pod}"),
            Types = PolicyTypes.Ingress,
            Ingress =
            [
                .. Enumerable.Range(index * RulesPerPolicy, RulesPerPolicy).Select(rule =>
                    new NetworkPolicyRule([Labelled("set", $"{rule % Sets}")], [Port(IpProtocol.Tcp, rule % RulesPerPolicy == 0 ? PortOf(rule + serial) : PortOf(rule))])),
            ],
        };
    }

    private static int PortOf(int rule) => 10_000 + (rule % 50_000);

    private static NetworkPolicyPort Port(IpProtocol protocol, int port) => new(protocol, (ushort)port, null);

    private static NetworkPolicyPeer Labelled(string key, string value) => new(Select(key, value), null, null);

    private static LabelSelector Select(string key, string value) => new([new LabelRequirement(key, LabelOperator.In, [value])]);
}
