using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>The sizes of one generation's tables.</summary>
internal sealed record TableCapacities(int Blocks, int Nodes6, int Rows, int Pages, int Ports, int Rules)
{
    /// <summary>All rows are one map value, of which older kernels take 4 MB.</summary>
    public const int MaxRows = 4096;

    /// <summary>Sizes that hold a world with as much room again for what is to come.</summary>
    /// <remarks>Blocks, nodes and rows are exact before doubling; pages and ports depend on how rules meet and may turn out too few.</remarks>
    public static TableCapacities Estimate(CompiledWorld world)
    {
        var blocks6 = AddressTable6.Count(world.Trie6);
        var blocks = AddressTable4.CountBlocks(world.Trie4) + blocks6.Blocks;
        var ruleSets = world.RuleSets.Count;

        // Classes are about as many as different sets of prefixes; those a row's rules refer to share its pages.
        var pagesPerRow = Math.Min(world.Sets.Count / 256, 255) + 1;
        var ports = world.RuleSets.Values.Sum(PortEntries);
        var rules = world.RuleSets.Values.SelectMany(Tiers).SelectMany(References).Distinct().Count();
        return new TableCapacities(
            Round(blocks), Round(blocks6.Nodes), Math.Min(Round(ruleSets + 1), MaxRows), Round((ruleSets * (long)pagesPerRow) + 64), Round(ports), Round(rules));
    }

    /// <summary>This with one table doubled, the one an exception names. The number of classes is fixed: new tables only give them out anew.</summary>
    public TableCapacities Grow(TableFullException full) => full.Table switch
    {
        "blocks" => this with { Blocks = Blocks * 2 },
        "nodes6" => this with { Nodes6 = Nodes6 * 2 },
        "rows" when Rows < MaxRows => this with { Rows = Rows * 2 },
        "pages" => this with { Pages = Pages * 2 },
        "ports" => this with { Ports = Ports * 2 },
        "classes" => this,
        "rules" => this with { Rules = Rules * 2 },
        _ => throw new InvalidOperationException($"table {full.Table} has a fixed size of {full.Capacity}", full),
    };

    private static IEnumerable<RuleTier> Tiers(RuleSet ruleSet) => ruleSet.Tiers.Concat(ruleSet.Audit ?? []);

    private static IEnumerable<RuleReference> References(RuleTier tier) =>
        tier.Rules.Select(rule => rule.Reference).Concat(tier.Isolation is { } isolation ? [isolation] : []);

    private static long PortEntries(RuleSet ruleSet)
    {
        var ranges = Tiers(ruleSet).SelectMany(tier => tier.Rules).Sum(rule => (long)(rule.Ports?.Count ?? 0));
        return ranges == 0 ? 0 : 4 * ((2 * ranges) + 2);
    }

    /// <summary>Twice as many, as a power of two, and never so few that a small change needs another generation.</summary>
    private static int Round(long entries) => (int)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)Math.Clamp(2 * entries, 512, 1 << 28));
}
