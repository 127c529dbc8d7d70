using System.Collections.Immutable;
using System.Diagnostics;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tables.Tests.TestWorld;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

/// <summary>Large worlds. Times are printed, not judged: they depend on the machine.</summary>
public sealed class ScaleTests(ITestOutputHelper output)
{
    private const int Count = 100_000;

    [Theory]
    [InlineData(IpFamily.IPv4, 1)]
    [InlineData(IpFamily.IPv4, 3)]
    [InlineData(IpFamily.IPv6, 1)]
    public void Hosts_HundredThousandReplaced_AllHold(IpFamily family, int setsPerHost)
    {
        var hosts = Hosts(family, Count, 0);
        var others = Hosts(family, Count, 1);
        var additions = Deltas(hosts, [], setsPerHost);
        var replacements = Deltas(others, hosts, setsPerHost);
        for (var round = 0; round < 3; round++)
        {
            using var tables = new TestTables(blocks: 8192, rows: 1024, pages: 8192);
            var lowering = new RuleLowering(tables);
            lowering.Apply(Rules(100, setsPerHost * 20) with { PeerSets = Deltas([], [], setsPerHost) });
            lowering.Complete();
            Measure($"{family}: {Count} hosts in {setsPerHost} sets each added", () => Apply(lowering, additions));
            Measure($"{family}: {Count} hosts in {setsPerHost} sets each replaced by others", () => Apply(lowering, replacements));
            Measure($"{family}: written again into a new generation", () =>
            {
                using var again = new TestTables(blocks: 8192, rows: 1024, pages: 8192);
                _ = new RuleLowering(again, lowering.World);
            });

            Assert.All(others.Where((_, i) => i % 97 == 0), host => Assert.Equal(Verdict.Allow, Judge(tables, lowering, host.Address)));
            Assert.All(hosts.Where((_, i) => i % 97 == 0), host => Assert.Equal(Verdict.Isolated, Judge(tables, lowering, host.Address)));
        }
    }

    [Fact]
    public void Host_AddedToALargeWorld_Holds()
    {
        using var tables = new TestTables(blocks: 8192, rows: 1024, pages: 8192);
        var lowering = new RuleLowering(tables);
        lowering.Apply(Rules(500, 20) with { PeerSets = Deltas(Hosts(IpFamily.IPv4, Count, 0), [], 1) });
        lowering.Complete();
        var times = new List<double>();
        foreach (var host in Hosts(IpFamily.IPv4, 2000, 100))
        {
            var start = Stopwatch.GetTimestamp();
            Apply(lowering, [new PeerSetDelta(new PeerSetId(1), "test", [host], [])]);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            Assert.Equal(Verdict.Allow, Judge(tables, lowering, host.Address));
        }

        times.Sort();
        output.WriteLine($"one host added to {Count}: p50 {times[1000]:0.0} us, p99 {times[1980]:0.0} us");
    }

    [Theory]
    [InlineData(IpFamily.IPv4, 1_000_000)]
    [InlineData(IpFamily.IPv6, 1_000_000)]
    public void Prefixes_AMillion_TakeLittleMemory(IpFamily family, int count)
    {
        var hosts = Hosts(family, count, 0);
        var changes = new ChangeSet { Revision = 1, PeerSets = Deltas(hosts, [], 1) };
        var before = GC.GetTotalMemory(forceFullCollection: true);

        var world = new CompiledWorld();
        Measure($"{family}: {count} hosts taken in", () => world.Apply(changes));
        world.Complete();
        world.ClearChanged();

        var bytes = (GC.GetTotalMemory(forceFullCollection: true) - before) / (double)count;
        output.WriteLine($"{family}: {bytes:0} bytes per host");
        Assert.InRange(bytes, 1, 200);
        GC.KeepAlive(world);
        GC.KeepAlive(changes);
    }

    private static IpPrefix[] Hosts(IpFamily family, int count, int generation)
    {
        var start = (uint)(generation * count);
        var hosts = Enumerable.Range(0, count).Select(i => IpPrefix.Host(family == IpFamily.IPv4
            ? IpAddress.V4(0x0a000000 + start + (uint)i)
            : IpAddress.V6(((UInt128)0xfd00_0000_0000_0000 << 64) + start + (uint)i))).ToArray();
        new Random(1).Shuffle(hosts);
        return hosts;
    }

    /// <summary>Hosts spread over 20 peer sets for each of the sets that a host is in.</summary>
    private static ImmutableArray<PeerSetDelta> Deltas(IpPrefix[] added, IpPrefix[] removed, int setsPerHost) =>
    [
        .. from kind in Enumerable.Range(0, setsPerHost)
           from set in Enumerable.Range(0, 20)
           select new PeerSetDelta(new PeerSetId((20 * kind) + set + 1), "test", Part(added, kind, set), Part(removed, kind, set)),
    ];

    private static ImmutableArray<IpPrefix> Part(IpPrefix[] hosts, int kind, int set) =>
        [.. hosts.Where(host => ((uint)host.Address.Bits >> (4 * kind)) % 20 == set)];

    private static ChangeSet Rules(int count, int sets) => new()
    {
        Revision = 1,
        RuleSets =
        [
            .. Enumerable.Range(1, count).Select(id => new RuleSet(
                new RuleSetId(id),
                Direction.Ingress,
                [new RuleTier(
                    RuleTierKind.NetworkPolicy,
                    [Rule($"rule{id}", RuleAction.Accept, id == 1 ? [.. Enumerable.Range(1, sets)] : [1 + (id % sets)], new PortRange(IpProtocol.Tcp, 80, 80))],
                    Reference("isolation"))])),
        ],
    };

    private static void Apply(RuleLowering lowering, ImmutableArray<PeerSetDelta> deltas)
    {
        lowering.Apply(new ChangeSet { Revision = 1, PeerSets = deltas });
        lowering.Complete();
    }

    private static uint Judge(TestTables tables, RuleLowering lowering, IpAddress address) =>
        Verdict.Kind(TableReader.Judge(tables, lowering.RowOf(new RuleSetId(1)), address, 0, 80));

    /// <summary>Processor time beside the clock: other work on the machine lengthens only the latter.</summary>
    private void Measure(string what, Action action)
    {
        var (start, processor) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
        action();
        var elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        output.WriteLine($"{what}: {elapsed:0.0} ms, {(Environment.CpuUsage.TotalTime - processor).TotalMilliseconds:0.0} ms of processors");
    }
}
