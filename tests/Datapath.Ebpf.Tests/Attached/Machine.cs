using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>A machine with two pods, as network namespaces: pod a on veth pa0, pod b on veth pb0, and the machine routes between them.</summary>
internal sealed class Machine : IDisposable
{
    public static readonly NamespacedName A = new("test", "a");
    public static readonly NamespacedName B = new("test", "b");

    /// <summary>The instance of every test of this process: other processes may be testing at the same time.</summary>
    public static readonly string Instance = $"pct{Environment.ProcessId}";

    private readonly List<Socket> _sockets = [];
    private readonly List<EbpfDatapath> _datapaths = [];

    public Machine()
    {
        Host = new NetNamespace();
        Host.Run(() =>
        {
            File.WriteAllText("/proc/sys/net/ipv4/ip_forward", "1");
            File.WriteAllText("/proc/sys/net/ipv6/conf/all/forwarding", "1");
        });
        PodA = AddPod("a", 1);
        PodB = AddPod("b", 2);
        using var empty = Native.BpfObject.Open("bench.bpf.o");
        empty.Load();
        HasTcx = Native.TcxLinks.AreSupported(empty.ProgramFd("bench_empty"));
    }

    public NetNamespace Host { get; }

    /// <summary>Whether this kernel has TCX links.</summary>
    public bool HasTcx { get; }

    public NetNamespace PodA { get; }

    public NetNamespace PodB { get; }

    public static IPAddress Address(NamespacedName pod, IpFamily family)
    {
        var number = pod == A ? 1 : 2;
        return IPAddress.Parse(family == IpFamily.IPv4 ? $"10.77.0.{number}" : $"fd77::{number}");
    }

    /// <summary>A datapath that works on this machine. Its calls have to come from <see cref="Host"/>'s thread.</summary>
    public EbpfDatapath Datapath(string? instance = null, EstablishedConnections established = EstablishedConnections.Enforce, bool allowSpoofing = false, bool avoidTcx = false, bool keepStandIns = false)
    {
        var datapath = Host.Run(() => new EbpfDatapath(new DatapathSettings(instance ?? Instance, established, allowSpoofing), NullLogger<EbpfDatapath>.Instance, TimeProvider.System) { AvoidTcx = avoidTcx, KeepStandIns = keepStandIns });
        _datapaths.Add(datapath);
        return datapath;
    }

    public ApplyResult Apply(EbpfDatapath datapath, ChangeSet changes) =>
        Host.Run(() => datapath.ApplyAsync(changes, TestContext.Current.CancellationToken).AsTask().GetAwaiter().GetResult());

    public IReadOnlyList<string> Cleanup(EbpfDatapath datapath, bool all = false) =>
        Host.Run(() => datapath.CleanupAsync(all, TestContext.Current.CancellationToken).AsTask().GetAwaiter().GetResult());

    public Endpoint Endpoint(NamespacedName pod, int? ingress = null, int? egress = null)
    {
        var name = $"p{pod.Name}0";
        var index = int.Parse(Host.Ip($"-o link show {name}").Split(':')[0], CultureInfo.InvariantCulture);
        return new Endpoint(
            pod,
            name,
            InterfaceSide.Peer,
            [IpAddress.From(Address(pod, IpFamily.IPv4)), IpAddress.From(Address(pod, IpFamily.IPv6))],
            ingress is { } i ? new RuleSetId(i) : null,
            egress is { } e ? new RuleSetId(e) : null,
            new Link(name, index));
    }

    /// <summary>Rules that isolate but for one pod; null: for nobody.</summary>
    public static ChangeSet World(long revision, ImmutableArray<Endpoint> endpoints, NamespacedName? allowed = null, bool replace = true)
    {
        var reference = new RuleReference(RuleOrigin.NetworkPolicy, new NamespacedName("test", "policy"), null);
        var rule = new Rule(RuleAction.Accept, new EquatableArray<PeerSetId>([new PeerSetId(1)]), null, reference with { Rule = 0 });
        ImmutableArray<IpPrefix> prefixes = allowed is { } pod
            ? [new IpPrefix(IpAddress.From(Address(pod, IpFamily.IPv4)), 32), new IpPrefix(IpAddress.From(Address(pod, IpFamily.IPv6)), 128)]
            : [];
        var tier = new RuleTier(RuleTierKind.NetworkPolicy, [rule], reference);
        return new ChangeSet
        {
            Revision = revision,
            Replace = replace,
            PeerSets = [new PeerSetDelta(new PeerSetId(1), "allowed", prefixes, [])],
            RuleSets = [new RuleSet(new RuleSetId(1), Direction.Ingress, [tier]), new RuleSet(new RuleSetId(2), Direction.Egress, [tier])],
            Endpoints = endpoints,
        };
    }

    /// <summary>A listening socket in a pod.</summary>
    public Socket Listen(NetNamespace pod, IPAddress address, int port)
    {
        var socket = Own(pod.Run(() => new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp)));
        pod.Run(() =>
        {
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen();
        });
        return socket;
    }

    /// <summary>A connection, or null when there is no answer within <paramref name="milliseconds"/>.</summary>
    public Socket? Connect(NetNamespace pod, IPAddress from, IPAddress to, int port, int milliseconds = 3000)
    {
        var socket = Own(pod.Run(() => new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp)));
        socket.Bind(new IPEndPoint(from, 0));
        using var limit = new CancellationTokenSource(milliseconds);
        try
        {
            socket.ConnectAsync(new IPEndPoint(to, port), limit.Token).AsTask().GetAwaiter().GetResult();
            return socket;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>A datagram socket in a pod, with a receive timeout.</summary>
    public Socket Udp(NetNamespace pod, IPAddress address, int port)
    {
        var socket = Own(pod.Run(() => new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp)));
        socket.Bind(new IPEndPoint(address, port));
        return socket;
    }

    /// <summary>Whether a datagram arrives within <paramref name="milliseconds"/>.</summary>
    public static bool Arrives(Socket from, Socket to, int milliseconds = 3000)
    {
        from.SendTo([1], to.LocalEndPoint!);
        return Receives(to, milliseconds);
    }

    /// <summary>Whether something can be read within <paramref name="milliseconds"/>; it is read.</summary>
    public static bool Receives(Socket socket, int milliseconds = 3000) =>
        socket.Poll(TimeSpan.FromMilliseconds(milliseconds), SelectMode.SelectRead) && socket.Receive(new byte[16]) > 0;

    /// <summary>What the kernel counts as dropped on the way out to a device; drops by programs are not in it.</summary>
    public int DroppedTowards(string device) => Host.Run(() =>
    {
        // Eight numbers about what was received come first.
        const int TransmitDropped = 8 + 3;
        var line = File.ReadLines("/proc/thread-self/net/dev").Single(line => line.TrimStart().StartsWith(device + ":", StringComparison.Ordinal));
        return int.Parse(line.Split(':')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[TransmitDropped], CultureInfo.InvariantCulture);
    });

    /// <summary>How many of our programs are on a device's two hooks as filters, and how many as links.</summary>
    public (int Filters, int Links) AttachedTo(string device) => Host.Run(() =>
    {
        var index = Native.Interfaces.List().Single(pair => pair.Value == device).Key;
        Native.TcHook[] hooks = [Native.TcHook.Ingress, Native.TcHook.Egress];
        return (
            hooks.Sum(hook => Native.TcFilters.List(index, hook).Count(filter => filter.Program.StartsWith("portcullis_tc", StringComparison.Ordinal))),
            hooks.Sum(hook => Native.TcxLinks.Programs(index, hook).Count(id => Native.BpfProgram.NameOf(id)?.StartsWith("portcullis_tc", StringComparison.Ordinal) == true)));
    });

    /// <summary>Waits until links have taken the place of the filters that stand in for them on devices.</summary>
    public void WaitForLinks(params string[] devices)
    {
        foreach (var device in devices)
        {
            Assert.True(SpinWait.SpinUntil(() => AttachedTo(device) == (0, 2), TimeSpan.FromSeconds(30)), $"no links on {device} in 30 s");
        }
    }

    /// <summary>The ids of our programs on a device, attached in whatever way; a link that takes its filter's place has the same.</summary>
    public uint[] ProgramsOn(string device, NetNamespace? where = null) =>
        [.. ProgramsOn(device, Native.TcHook.Ingress, where), .. ProgramsOn(device, Native.TcHook.Egress, where)];

    /// <summary>The same of one hook.</summary>
    public uint[] ProgramsOn(string device, Native.TcHook hook, NetNamespace? where = null) => (where ?? Host).Run(() =>
    {
        var index = Native.Interfaces.List().Single(pair => pair.Value == device).Key;
        return Native.TcFilters.List(index, hook).Select(filter => filter.ProgramId).Concat(Native.TcxLinks.Programs(index, hook))
            .Where(id => id != 0 && Native.BpfProgram.NameOf(id)?.StartsWith("portcullis_tc", StringComparison.Ordinal) == true)
            .Distinct()
            .ToArray();
    });

    public void Dispose()
    {
        _sockets.ForEach(socket => socket.Dispose());
        _datapaths.ForEach(datapath => datapath.DisposeAsync().AsTask().GetAwaiter().GetResult());
        PodA.Dispose();
        PodB.Dispose();
        Host.Dispose();
    }

    private Socket Own(Socket socket)
    {
        _sockets.Add(socket);
        return socket;
    }

    /// <summary>Takes pod b's interface away and gives it another of the same name, index and addresses.</summary>
    public void ReplaceInterfaceOfB()
    {
        var index = Endpoint(B).Link!.Value.Index;
        Host.Ip("link del pb0");
        PlugB(index);
    }

    /// <summary>Gives pod b an interface again, of this index.</summary>
    public void PlugB(int index) => Plug(PodB, "b", 2, $"index {index}");

    private NetNamespace AddPod(string name, int number)
    {
        var pod = new NetNamespace();
        Plug(pod, name, number);
        return pod;
    }

    private void Plug(NetNamespace pod, string name, int number, string options = "")
    {
        Host.Ip($"link add p{name}0 {options} type veth peer name eth0 netns {pod.Id}");
        Host.Ip($"addr add 169.254.1.1/32 dev p{name}0");
        Host.Ip($"addr add fe80::1/64 dev p{name}0 nodad");
        Host.Ip($"link set p{name}0 up");
        pod.Ip($"addr add 10.77.0.{number}/32 dev eth0");
        pod.Ip($"addr add fd77::{number}/128 dev eth0 nodad");
        pod.Ip("link set eth0 up");
        pod.Ip("route add default via 169.254.1.1 dev eth0 onlink");
        pod.Ip("-6 route add default via fe80::1 dev eth0");
        Host.Ip($"route add 10.77.0.{number}/32 dev p{name}0");
        Host.Ip($"-6 route add fd77::{number}/128 dev p{name}0");
    }
}
