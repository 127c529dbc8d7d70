using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tables.Tests.TestWorld;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

public sealed class ClassTableTests : IDisposable
{
    private readonly Lowered _lowered = new();

    public ClassTableTests() => _lowered.Change(
        AddPrefixes(1),
        AddPrefixes(2),
        AddPrefixes(3),
        AddRules(1, new RuleTier(
            RuleTierKind.NetworkPolicy,
            [Rule("one", RuleAction.Accept, [1]), Rule("two", RuleAction.Accept, [2]), Rule("three", RuleAction.Accept, [3])],
            Reference("isolation"))));

    public void Dispose() => _lowered.Dispose();

    [Theory]
    [InlineData("10.1.2.3/32", "10.1.2.2", "10.1.2.4")]
    [InlineData("10.1.2.128/25", "10.1.2.127", "10.1.3.0")]
    [InlineData("10.1.2.0/24", "10.1.1.255", "10.1.3.0")]
    [InlineData("10.1.8.0/21", "10.1.7.255", "10.1.16.0")]
    [InlineData("10.1.0.0/16", "10.0.255.255", "10.2.0.0")]
    [InlineData("10.0.0.0/8", "9.255.255.255", "11.0.0.0")]
    [InlineData("fd00::1/128", "fd00::", "fd00::2")]
    [InlineData("fd00::/64", "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:0:0:1::")]
    [InlineData("fd00:8000::/17", "fd00:7fff::", "fd01::")]
    [InlineData("8000::/1", "7fff::", "::1")]
    public void Prefix_Alone_CoversExactlyItsAddresses(string prefix, string before, string behind)
    {
        _lowered.Change(AddPrefixes(1, prefix));

        var parsed = IpPrefix.Parse(prefix);
        Assert.Equal(Reference("one", 0), _lowered.Judge(1, parsed.Address.ToString()).Rule);
        Assert.Equal(Reference("one", 0), _lowered.Judge(1, parsed.Last.ToString()).Rule);
        Assert.Equal(Reference("isolation"), _lowered.Judge(1, before).Rule);
        Assert.Equal(Reference("isolation"), _lowered.Judge(1, behind).Rule);
    }

    [Theory]
    [InlineData("0.0.0.0/0", "10.1.2.3", "10.1.2.4")]
    [InlineData("::/0", "fd00::3", "fd00::4")]
    public void DefaultRoute_WithHost_BothHold(string all, string host, string other)
    {
        _lowered.Change(AddPrefixes(3, all), AddPrefixes(1, IpPrefix.Host(IpAddress.Parse(host)).ToString()));

        Assert.Equal(Reference("one", 0), _lowered.Judge(1, host).Rule);
        Assert.Equal(Reference("three", 0), _lowered.Judge(1, other).Rule);
    }

    [Fact]
    public void Nested_InAnyOrder_AreTheSame()
    {
        (int Set, string Prefix)[] prefixes =
        [
            (1, "10.0.0.0/8"), (2, "10.1.0.0/16"), (3, "10.1.2.0/24"), (2, "10.1.2.3/32"),
            (1, "fd00::/8"), (2, "fd00:1::/32"), (3, "fd00:1:2::/64"), (2, "fd00:1:2::3/128"),
        ];
        var random = new Random(1);
        for (var round = 0; round < 50; round++)
        {
            random.Shuffle(prefixes);
            _lowered.Change([.. prefixes.Select(item => AddPrefixes(item.Set, item.Prefix))]);
            Check();
            random.Shuffle(prefixes);
            _lowered.Change([.. prefixes.Select(item => RemovePrefixes(item.Set, item.Prefix))]);
            Check();
        }
    }

    [Fact]
    public void Hole_InABlock_IsOutside()
    {
        _lowered.Change(AddPrefixes(1, "10.0.0.0/9", "10.192.0.0/10", "10.129.0.0/16", "10.128.0.0/17"));

        Assert.Equal(Verdict.Allow, _lowered.Judge(1, "10.128.127.255").Kind);
        Assert.Equal(Verdict.Isolated, _lowered.Judge(1, "10.128.128.0").Kind);
        Assert.Equal(Verdict.Isolated, _lowered.Judge(1, "10.130.0.0").Kind);
        Assert.Equal(Verdict.Allow, _lowered.Judge(1, "10.129.5.5").Kind);
    }

    [Fact]
    public void Removal_OfHost_RestoresTheCoveringPrefix()
    {
        _lowered.Change(AddPrefixes(3, "10.1.0.0/16"), AddPrefixes(1, "10.1.2.3/32"), RemovePrefixes(1, "10.1.2.3/32"));

        Assert.Equal(Reference("three", 0), _lowered.Judge(1, "10.1.2.3").Rule);
    }

    [Fact]
    public void Classes_OfPrefixesThatCameAndWent_AreUsedAgain()
    {
        var used = _lowered.Lowering.Usage.Single(usage => usage.Table == "classes").Entries;

        for (var i = 0; i < 70000; i++)
        {
            _lowered.Change(AddPrefixes(1 + (i % 2), "10.0.0.1/32"), RemovePrefixes(1 + (i % 2), "10.0.0.1/32"));
        }

        Assert.InRange(_lowered.Tables.GracePeriods, 1, 200);
        _lowered.Lowering.Reclaim();
        Assert.Equal(used, _lowered.Lowering.Usage.Single(usage => usage.Table == "classes").Entries);
    }

    [Fact]
    public void Blocks_WhenFull_AreReportedWithTheirCapacity()
    {
        using var lowered = new Lowered(new TestTables(blocks: 2));
        lowered.Change(AddPrefixes(1, "10.0.0.1/32"));

        var full = Assert.Throws<TableFullException>(() => lowered.Lowering.Apply(AddPrefixes(2, "10.0.1.1/32")));

        Assert.Equal(("blocks", 2), (full.Table, full.Capacity));
        using var larger = new TestTables(blocks: AddressTable4.CountBlocks(lowered.Lowering.World.Trie4));
        var rebuilt = new RuleLowering(larger, lowered.Lowering.World);
        rebuilt.Apply(AddRules(1, new RuleTier(RuleTierKind.Baseline, [Rule("two", RuleAction.Deny, [2])])));
        Assert.Equal(Verdict.Deny, Verdict.Kind(TableReader.Judge(larger, rebuilt.RowOf(new RuleSetId(1)), IpAddress.Parse("10.0.1.1"), 0, 1)));
    }

    [Fact]
    public void Addresses_BeyondTheLastClass_AreDeniedUntilThereIsRoom()
    {
        // Each address is in a set of peer sets of its own.
        const int sets = 17;
        const int addresses = 68_000;
        using var tables = new TestTables();
        var lowering = new RuleLowering(tables);
        lowering.Apply(AddRules(1, new RuleTier(RuleTierKind.Admin, [.. Enumerable.Range(1, sets).Select(set => Rule("all", RuleAction.Accept, [set]))])));
        for (var set = 1; set <= sets; set++)
        {
            lowering.Complete();
            lowering.Apply(AddPrefixes(set, In(set, addresses)));
        }

        var denied = Enumerable.Range(1, addresses).Count(i => KindOf(tables, lowering, i) == Verdict.Deny);
        Assert.InRange(denied, addresses - AddressClasses.Capacity, addresses - AddressClasses.Capacity + 10);
        Assert.Equal(denied, lowering.UnfitAddresses);
        Assert.Equal(Verdict.Allow, KindOf(tables, lowering, 0));

        lowering.Complete();
        TableFullException? full = null;
        for (var set = 1; full is null; set++)
        {
            lowering.Apply(RemovePrefixes(set, In(set, 20_000)));
            full = Record.Exception(lowering.Complete) as TableFullException;
        }

        Assert.Equal("classes", full.Table);
        using var others = new TestTables();
        var rebuilt = new RuleLowering(others, lowering.World);
        Assert.Equal(0, rebuilt.UnfitAddresses);
        Assert.All(Enumerable.Range(1, addresses), i => Assert.Equal(Verdict.Allow, KindOf(others, rebuilt, i)));

        static string[] In(int set, int upTo) => [.. Enumerable.Range(1, upTo).Where(i => (i >> (set - 1) & 1) != 0).Select(i => $"{Host(i)}/32")];
        static string Host(int i) => $"10.{i >> 16}.{i >> 8 & 255}.{i & 255}";
        static uint KindOf(TestTables tables, RuleLowering lowering, int i) =>
            Verdict.Kind(TableReader.Judge(tables, lowering.RowOf(new RuleSetId(1)), IpAddress.Parse(Host(i)), 0, 1));
    }

    [Fact]
    public void Prefix_AddedTwiceOrRemovedTwice_Throws()
    {
        _lowered.Change(AddPrefixes(1, "10.0.0.1/32"));

        Assert.Throws<ArgumentException>(() => _lowered.Lowering.Apply(AddPrefixes(1, "10.0.0.1/32")));
        using var other = new Lowered();
        Assert.Throws<ArgumentException>(() => other.Lowering.Apply(RemovePrefixes(1, "10.0.0.1/32")));
    }

    private void Check()
    {
        string[] addresses =
        [
            "9.255.255.255", "10.0.0.0", "10.1.0.0", "10.1.1.255", "10.1.2.0", "10.1.2.3", "10.1.2.4", "10.1.3.0", "10.2.0.0", "11.0.0.0",
            "fc00::1", "fd00::1", "fd00:1::", "fd00:1:2::", "fd00:1:2::3", "fd00:1:2::4", "fd00:1:3::", "fd00:2::", "fe00::1",
        ];
        _lowered.Check(addresses.Select(IpAddress.Parse), [(0, 80)]);
    }
}
