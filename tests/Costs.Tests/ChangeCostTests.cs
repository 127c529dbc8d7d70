using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Native;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Resources;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.Costs.Tests;

/// <summary>What one change costs, counted instead of timed, so that a loaded machine finds the same. They need root.</summary>
public sealed class ChangeCostTests(ITestOutputHelper output)
{
    private const int Addresses = 1_000;
    private const int Changes = 10;

    [Theory]
    [InlineData(10)]
    [InlineData(1_000)]
    public void EbpfChange_WithAnyRules_StartsNothingAndAsksTheKernelRarely(int rules)
    {
        Root.RequireBpf();
        RequireCounters();
        var world = new RuleWorld(rules, Addresses);
        using var bed = LoadedBed(DatapathKind.Ebpf, world);

        foreach (var (name, next) in Kinds(world))
        {
            bed.Change(next());
            var calls = KernelCalls.Count(() => Repeat(bed, next))!;
            output.WriteLine($"{rules} rules, {Changes} times {name}: {calls}");

            // At most two waits for running programs to end for each change that removes something, and those of the change before.
            Assert.InRange(calls.Bpf, 0, 2 * (Changes + 1));
            Assert.Equal(0, calls.Programs);
            Assert.Equal(0, calls.Netlink);
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(1_000)]
    public void IptablesChange_WithAnyRules_StartsFewPrograms(int rules)
    {
        Root.Require("iptables-restore", "ipset");
        RequireCounters();
        var world = new RuleWorld(rules, Addresses);
        using var bed = LoadedBed(DatapathKind.Iptables, world);

        foreach (var (name, next) in Kinds(world))
        {
            bed.Change(next());
            var calls = KernelCalls.Count(() => Repeat(bed, next))!;
            output.WriteLine($"{rules} rules, {Changes} times {name}: {calls}");

            // At most: sets before, rules of each family, sets after, and what is left of the sets before.
            Assert.InRange(calls.Programs, 1, 8 * Changes);
        }
    }

    [Theory]
    [InlineData(DatapathKindName.None, 16)]
    [InlineData(DatapathKindName.Ebpf, 256)]
    public void Change_WithAThousandRules_AllocatesLittle(string datapath, int kilobytes)
    {
        Root.RequireBpf();
        var world = new RuleWorld(rules: 1_000, Addresses);
        using var bed = LoadedBed(datapath == DatapathKindName.Ebpf ? DatapathKind.Ebpf : DatapathKind.None, world);

        foreach (var (name, next) in Kinds(world))
        {
            bed.Change(next());

            // Of three times the least: all threads are counted, and once a second one of them looks for drift on every interface.
            var bytes = Enumerable.Range(0, 3).Min(_ =>
            {
                var resources = Enumerable.Range(0, Changes).Select(_ => next()).ToArray();
                var before = GC.GetTotalAllocatedBytes(precise: true);
                Array.ForEach(resources, resource => bed.Change(resource));
                return (GC.GetTotalAllocatedBytes(precise: true) - before) / Changes;
            });
            output.WriteLine($"{datapath}, {name}: {bytes} bytes");

            Assert.InRange(bytes, 1, kilobytes * 1024);
        }
    }

    private static Bed LoadedBed(DatapathKind kind, RuleWorld world)
    {
        var bed = Bed.Create(kind, world.Pods - 1);
        try
        {
            bed.Load(world);
            return bed;
        }
        catch
        {
            bed.Dispose();
            throw;
        }
    }

    private static IEnumerable<(string Name, Func<Resource> Next)> Kinds(RuleWorld world) =>
        [("one pod added", world.NewPeer), ("one label flipped", world.RelabelledPeer), ("one policy changed", world.ChangedPolicy)];

    private static void Repeat(Bed bed, Func<Resource> next)
    {
        for (var i = 0; i < Changes; i++)
        {
            bed.Change(next());
        }
    }

    private static void RequireCounters()
    {
        if (KernelCalls.Missing() is { } reason)
        {
            Assert.Skip(reason);
        }
    }

    private static class DatapathKindName
    {
        public const string None = "none";
        public const string Ebpf = "ebpf";
    }
}
