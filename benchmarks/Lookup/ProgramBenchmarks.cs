using BenchmarkDotNet.Attributes;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Packets;
using Portcullis.Benchmarks.Running;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Sources;

namespace Portcullis.Benchmarks.Lookup;

/// <summary>The eBPF programs alone, by BPF_PROG_TEST_RUN, beside an empty program.</summary>
public class ProgramBenchmarks
{
    private const int Runs = 20_000;

    // BenchmarkDotNet runs the cases of one setting after another, each in an object of its own.
    private static (int Rules, int Addresses, LoadedPrograms Programs)? _loaded;

    private LoadedPrograms? _programs;
    private byte[] _allowed = [];
    private byte[] _denied = [];
    private byte[] _reply = [];

    [ParamsSource(nameof(Settings))]
    public Setting? Setting { get; set; }

    public static IEnumerable<Setting> Settings =>
        from family in new[] { IpFamily.IPv4, IpFamily.IPv6 }
        from rules in Profile.Current.Rules
        from addresses in Profile.Current.Addresses
        where family == IpFamily.IPv4 || Profile.Current.IsFull || (rules == Profile.Current.Rules[^1] && addresses == Profile.Current.Addresses[^1])
        select new Setting(DatapathKind.Ebpf.Text(), rules, addresses, family.ToString());

    [GlobalSetup]
    public void Setup()
    {
        var family = Enum.Parse<IpFamily>(Setting!.Family);
        var world = new RuleWorld(Setting.Rules, Setting.Addresses);
        _programs = Load(world);
        var (peer, port) = world.ByHand(0, family);
        var server = RuleWorld.Server.Addresses.First(address => address.Family == family);
        var client = RuleWorld.Client.Addresses.First(address => address.Family == family);
        _allowed = Frames.Tcp(peer, 40_000, server, port, Frames.Ack);
        _denied = Frames.Tcp(peer, 40_000, server, RuleWorld.DeniedPort, Frames.Syn);
        _reply = Frames.Tcp(server, RuleWorld.ConnectPort, client, 40_000, Frames.Ack);
        _programs.Send(RuleWorld.Client.Key.NamespacedName, Frames.Tcp(client, 40_000, server, RuleWorld.ConnectPort, Frames.Syn));
        Expect(RuleWorld.Server, _allowed, passes: true);
        Expect(RuleWorld.Server, _denied, passes: false);
        Expect(RuleWorld.Client, _reply, passes: true);
    }

    [Benchmark(OperationsPerInvoke = Runs)]
    public void Empty() => _programs!.RunEmpty(_allowed, Runs);

    [Benchmark(OperationsPerInvoke = Runs)]
    public bool Allowed() => _programs!.Receive(RuleWorld.Server.Key.NamespacedName, _allowed, Runs);

    [Benchmark(OperationsPerInvoke = Runs)]
    public bool Denied() => _programs!.Receive(RuleWorld.Server.Key.NamespacedName, _denied, Runs);

    [Benchmark(OperationsPerInvoke = Runs)]
    public bool Reply() => _programs!.Receive(RuleWorld.Client.Key.NamespacedName, _reply, Runs);

    /// <summary>Unloads the programs of the last setting.</summary>
    internal static void Release()
    {
        _loaded?.Programs.Dispose();
        _loaded = null;
    }

    private static LoadedPrograms Load(RuleWorld world)
    {
        if (_loaded is { } loaded && (loaded.Rules, loaded.Addresses) == (world.Rules, world.Addresses))
        {
            return loaded.Programs;
        }

        Release();
        var compiler = new PolicyCompiler(new PolicyOptions { NodeName = RuleWorld.Node });
        compiler.Apply([.. world.Resources.Select(ResourceChange.Upsert)]);
        var programs = new LoadedPrograms(compiler.Flush(1));
        _loaded = (world.Rules, world.Addresses, programs);
        return programs;
    }

    private void Expect(Resources.Workload pod, byte[] frame, bool passes)
    {
        if (_programs!.Receive(pod.Key.NamespacedName, frame, 1) != passes)
        {
            throw new BenchException($"{Setting}: a packet to {pod.Name} {(passes ? "is dropped" : "passes")}: what is measured would not be what is said");
        }
    }
}
