using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Portcullis.Datapath.Ebpf;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Benchmarks.Packets;

/// <summary>What a figure is.</summary>
internal sealed record Figure(string What, double Value, string Unit);

/// <summary>What size costs: a verdict by the number of rules and addresses, and changes in the kernel's tables.</summary>
internal static unsafe class ScaleBench
{
    private const int Ifindex = 1;
    private const int RulesPerSet = 10;
    private const int PeerSets = 100;
    private const int Repeat = 20_000;
    private const int Rounds = 75;

    private static readonly IpAddress Pod = IpAddress.Parse("10.255.0.1");

    public static IEnumerable<Figure> Measure()
    {
        (int Rules, int Addresses)[] sizes = [(10, 1_000), (10, 100_000), (10_000, 1_000), (10_000, 100_000)];
        var worlds = sizes.Select(size => Build(size.Rules, size.Addresses)).ToArray();
        var times = worlds.Select(_ => double.MaxValue).ToArray();
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var (i, world) in worlds.Index())
            {
                times[i] = Math.Min(times[i], ProgramTimer.Nanoseconds(world.Generation.EgressProgram, Frame(sizes[i].Addresses), Repeat));
            }
        }

        foreach (var (i, size) in sizes.Index())
        {
            yield return new Figure($"allowed packet, {size.Rules:N0} rules and {size.Addresses:N0} addresses, above the cheapest of its kind", 100 * ((times[i] / times.Min()) - 1), "%");
        }

        var (generation, lowering) = worlds[^1];
        yield return new Figure("100,000 peer addresses replaced", Replace(lowering), "ms");
        yield return new Figure("a rule set made and an endpoint switched to it", Switch(generation, lowering), "ms");
        yield return new Figure("kernel memory of an endpoint with one address of each family", Unsafe.SizeOf<PcEndpoint>(), "bytes");
        Array.ForEach(worlds, world => world.Generation.Dispose());
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static (EbpfGeneration Generation, RuleLowering Lowering) Build(int rules, int addresses)
    {
        var world = new CompiledWorld();
        world.Apply(new ChangeSet
        {
            Revision = 1,
            PeerSets = Peers(addresses, generation: 0, replace: false),
            RuleSets = [.. Enumerable.Range(1, rules / RulesPerSet).Select(RuleSetOf)],
        });
        world.Complete();
        for (var capacities = TableCapacities.Estimate(world); ;)
        {
            var generation = EbpfGeneration.Load(capacities, PcConfigFlags.None, paths: null);
            try
            {
                var lowering = new RuleLowering(generation.Tables, world);
                SetEndpoint(generation, lowering, 1);
                return (generation, lowering);
            }
            catch (TableFullException full)
            {
                generation.Dispose();
                capacities = capacities.Grow(full);
            }
        }
    }

    private static double Replace(RuleLowering lowering)
    {
        var times = new List<double>();
        for (var generation = 1; generation <= 15; generation++)
        {
            var changes = new ChangeSet { Revision = generation, PeerSets = Peers(100_000, generation, replace: true) };
            var start = Stopwatch.GetTimestamp();
            lowering.Apply(changes);
            lowering.Complete();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return Median(times);
    }

    private static double Switch(EbpfGeneration generation, RuleLowering lowering)
    {
        var times = new List<double>();
        for (var i = 0; i < 101; i++)
        {
            var id = 100_000 + i;
            var start = Stopwatch.GetTimestamp();
            lowering.Apply(new ChangeSet { Revision = id, RuleSets = [RuleSetOf(id)], RemovedRuleSets = i == 0 ? [] : [new RuleSetId(id - 1)] });
            SetEndpoint(generation, lowering, id);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            // Nobody waits for what is taken out afterwards.
            lowering.Complete();
        }

        return Median(times);
    }

    private static IpAddress Peer(int i, int generation) => IpAddress.V4(0x0a000000u + ((uint)i * 5) + (uint)generation % 5);

    private static ImmutableArray<PeerSetDelta> Peers(int addresses, int generation, bool replace) =>
    [
        .. Enumerable.Range(0, PeerSets).Select(set =>
        {
            var members = Enumerable.Range(set * (addresses / PeerSets), addresses / PeerSets);
            return new PeerSetDelta(
                new PeerSetId(set + 1),
                $"set {set}",
                [.. members.Select(i => IpPrefix.Host(Peer(i, generation)))],
                replace ? [.. members.Select(i => IpPrefix.Host(Peer(i, generation - 1)))] : []);
        }),
    ];

    private static RuleSet RuleSetOf(int id)
    {
        var reference = new RuleReference(RuleOrigin.NetworkPolicy, new NamespacedName("bench", $"policy{id}"), null);
        EquatableArray<PeerSetId> peers = [.. Enumerable.Range(1, PeerSets).Select(set => new PeerSetId(set))];
        var rules = Enumerable.Range(0, RulesPerSet).Select(rule => new Rule(
            RuleAction.Accept,
            rule == RulesPerSet - 1 ? peers : [new PeerSetId(((id + rule) % PeerSets) + 1)],
            null,
            reference with { Rule = rule }));
        return new RuleSet(new RuleSetId(id), Direction.Ingress, [new RuleTier(RuleTierKind.NetworkPolicy, [.. rules], reference)]);
    }

    private static void SetEndpoint(EbpfGeneration generation, RuleLowering lowering, int ruleSet)
    {
        var endpoint = new Endpoint(
            new NamespacedName("bench", "pod"), "lo", InterfaceSide.Peer, [Pod], new RuleSetId(ruleSet), null, new Link("lo", Ifindex));
        generation.SetEndpoint(InterfacePlan.For(endpoint, allowSpoofing: false, lowering.RowReferenceOf)!, before: null);
    }

    private static byte[] Frame(int addresses) => VerdictBench.Frame(Peer(addresses * 3 / 4, 0), Pod, 6, 0x10);
}
