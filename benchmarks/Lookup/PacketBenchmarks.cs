using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.Benchmarks.Lookup;

/// <summary>
/// Real datagrams between two pods, sent and received by one thread: sending takes a packet the whole way to the other pod's socket on the
/// same processor, so no scheduling is measured. Allowed and denied packets open a flow that never has answers; replies need state.
/// </summary>
public class PacketBenchmarks : IDisposable
{
    private const int Packets = 500;
    private const int ReceiveTimeout = 2_000;

    private readonly byte[] _data = new byte[64];
    private Socket? _client;
    private Socket? _server;
    private IPEndPoint? _clientAddress;
    private IPEndPoint? _denied;

    [ParamsSource(nameof(Settings))]
    public Setting? Setting { get; set; }

    /// <summary>Rules vary at one address count, addresses at one rule count, families only there.</summary>
    public static IEnumerable<Setting> Settings =>
        from kind in Enum.GetValues<DatapathKind>().Where(kind => Bed.Missing(kind) is null)
        from setting in Axes(kind)
        select setting;

    [GlobalSetup]
    public void Setup()
    {
        var (bed, _) = Loaded.Get(Setting!);
        var family = Enum.Parse<IpFamily>(Setting!.Family);
        var server = bed.Server.Address(family).ToIPAddress();
        _client = Open(bed.Client.Network, new IPEndPoint(bed.Client.Address(family).ToIPAddress(), 0));
        _server = Open(bed.Server.Network, new IPEndPoint(server, RuleWorld.UdpPort));
        _client.Connect(new IPEndPoint(server, RuleWorld.UdpPort));
        _clientAddress = (IPEndPoint)_client.LocalEndPoint!;
        _denied = new IPEndPoint(server, RuleWorld.DeniedPort);
    }

    [IterationSetup]
    public void Wait() => Pace.WaitForUsual();

    [Benchmark(OperationsPerInvoke = Packets)]
    public void Allowed()
    {
        for (var packet = 0; packet < Packets; packet++)
        {
            _client!.Send(_data);
            _server!.Receive(_data);
        }
    }

    [Benchmark(OperationsPerInvoke = Packets)]
    public void Reply()
    {
        _client!.Send(_data);
        _server!.Receive(_data);
        for (var packet = 0; packet < Packets; packet++)
        {
            _server.SendTo(_data, _clientAddress!);
            _client.Receive(_data);
        }
    }

    [Benchmark(OperationsPerInvoke = Packets)]
    public void Denied()
    {
        for (var packet = 0; packet < Packets; packet++)
        {
            _client!.SendTo(_data, _denied!);
        }
    }

    [GlobalCleanup(Target = nameof(Denied))]
    public void CheckDenied()
    {
        // A packet to the served port would be there by now: one thread does everything in order.
        var (bed, _) = Loaded.Get(Setting!);
        using var listener = Open(bed.Server.Network, _denied!);
        Denied();
        var arrived = listener.Available;
        Dispose();
        if (arrived > 0)
        {
            throw new BenchException($"{Setting}: packets that policy denies arrived");
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _client?.Dispose();
        _server?.Dispose();
        GC.SuppressFinalize(this);
    }

    private static IEnumerable<Setting> Axes(DatapathKind kind)
    {
        var profile = Profile.Current;
        var dependsOnRules = kind is not (DatapathKind.None or DatapathKind.Empty);
        var rules = dependsOnRules
            ? profile.Rules.Where(count => count <= profile.SlowRules || kind is DatapathKind.Ebpf)
            : [Profile.MiddleRules];
        foreach (var count in rules)
        {
            yield return new Setting(kind.Text(), count, Profile.MiddleAddresses, nameof(IpFamily.IPv4));
        }

        if (profile.IsFull || kind is DatapathKind.None or DatapathKind.Ebpf or DatapathKind.Iptables)
        {
            yield return new Setting(kind.Text(), Profile.MiddleRules, Profile.MiddleAddresses, nameof(IpFamily.IPv6));
        }

        if (kind is DatapathKind.Ebpf or DatapathKind.Iptables)
        {
            foreach (var count in profile.Addresses.Where(count => count != Profile.MiddleAddresses))
            {
                yield return new Setting(kind.Text(), Profile.MiddleRules, count, nameof(IpFamily.IPv4));
            }
        }
    }

    private static Socket Open(NetworkNamespace network, IPEndPoint local)
    {
        var socket = network.Run(() => new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp));
        socket.ReceiveTimeout = ReceiveTimeout;
        socket.Bind(local);
        return socket;
    }
}
