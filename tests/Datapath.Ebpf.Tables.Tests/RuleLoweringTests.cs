using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tables.Tests.TestWorld;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

public sealed class RuleLoweringTests : IDisposable
{
    private static readonly IpAddress[] Addresses = [.. new[] { "10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2" }.Select(IpAddress.Parse)];
    private readonly Lowered _lowered = new();

    public RuleLoweringTests() => _lowered.Change(
        AddPrefixes(1, "10.0.0.1/32", "fd00::1/128"), AddPrefixes(2, "10.0.0.2/32", "10.0.0.1/32"));

    public void Dispose() => _lowered.Dispose();

    [Fact]
    public void Ports_OneToFortyRanges_AllHold()
    {
        for (var count = 1; count <= 40; count++)
        {
            PortRange[] ports = [.. Enumerable.Range(0, count).Select(i => new PortRange(Protocol(i), Port(100 * i), Port((100 * i) + i)))];
            _lowered.Change(AddRules(count, Policy(Rule("many", RuleAction.Accept, [1], ports))));
        }

        _lowered.Check(Addresses, [.. Enumerable.Range(0, 41).SelectMany(i => Around(Transport(i), 100 * i, (100 * i) + i)), (3, 0)]);
    }

    [Fact]
    public void Ports_OverlappingInSeveralTiers_FirstMatchOfEachTierDecides()
    {
        _lowered.Change(AddRules(
            1,
            new RuleTier(
                RuleTierKind.Admin,
                [
                    Rule("pass", RuleAction.Pass, [1], new PortRange(IpProtocol.Tcp, 50, 60)),
                    Rule("deny", RuleAction.Deny, null, new PortRange(IpProtocol.Tcp, 55, 70), PortRange.All(IpProtocol.Sctp)),
                    Rule("accept", RuleAction.Accept, [2], new PortRange(IpProtocol.Tcp, 65, 80)),
                ]),
            Policy(Rule("web", RuleAction.Accept, [1, 2], new PortRange(IpProtocol.Tcp, 58, 58), new PortRange(IpProtocol.Udp, 0, 53)))));

        _lowered.Check(Addresses, [.. Around(0, 50, 60), .. Around(0, 55, 70), .. Around(0, 65, 80), .. Around(0, 58, 58), .. Around(1, 53, 53), (1, 0), (2, 0), (2, 65535), (3, 0)]);
        Assert.Equal(new Outcome(Verdict.Isolated, Reference("isolation")), _lowered.Judge(1, "10.0.0.1", 0, 57));
        Assert.Equal(new Outcome(Verdict.Deny, Reference("deny", 0)), _lowered.Judge(1, "10.0.0.2", 0, 57));
    }

    [Theory]
    [InlineData(IpProtocol.Tcp, 0)]
    [InlineData(IpProtocol.Udp, 1)]
    [InlineData(IpProtocol.Sctp, 2)]
    public void Ports_WholeProtocol_MatchesItsPortsOnly(IpProtocol protocol, int transport)
    {
        _lowered.Change(AddRules(1, Policy(Rule("whole", RuleAction.Accept, [1], PortRange.All(protocol)))));

        for (var other = 0u; other <= 3; other++)
        {
            var expected = other == transport ? Verdict.Allow : Verdict.Isolated;
            Assert.Equal(expected, _lowered.Judge(1, "10.0.0.1", other, 0).Kind);
            Assert.Equal(expected, _lowered.Judge(1, "10.0.0.1", other, other == 3 ? (ushort)0 : ushort.MaxValue).Kind);
        }
    }

    [Fact]
    public void Rule_WithoutPorts_MatchesOtherProtocolsToo()
    {
        _lowered.Change(AddRules(1, Policy(Rule("all", RuleAction.Accept, [1]))));

        Assert.Equal(Verdict.Allow, _lowered.Judge(1, "fd00::1", 3, 0).Kind);
    }

    [Fact]
    public void Isolation_OutsideNetworkPolicy_IsAPlainDenial()
    {
        _lowered.Change(AddRules(1, new RuleTier(RuleTierKind.Baseline, [], Reference("strict"))));

        Assert.Equal(new Outcome(Verdict.Deny, Reference("strict")), _lowered.Judge(1, "10.9.9.9"));
    }

    [Fact]
    public void NoTiers_Allow_WithoutARule()
    {
        _lowered.Change(AddRules(1));

        Assert.Equal(new Outcome(Verdict.Allow, null), _lowered.Judge(1, "10.9.9.9"));
    }

    [Fact]
    public void Audit_WhereItWouldDeny_IsReportedAndPasses()
    {
        _lowered.Change(new ChangeSet
        {
            Revision = 1,
            RuleSets =
            [
                new RuleSet(
                    new RuleSetId(1),
                    Direction.Egress,
                    [new RuleTier(RuleTierKind.Admin, [Rule("deny", RuleAction.Deny, [2], new PortRange(IpProtocol.Tcp, 22, 22))])],
                    new EquatableArray<RuleTier>([Policy(Rule("audited", RuleAction.Accept, [1], new PortRange(IpProtocol.Tcp, 80, 80)))])),
            ],
        });

        Assert.Equal(new Outcome(Verdict.AuditIsolated, Reference("isolation")), _lowered.Judge(1, "10.9.9.9"));
        Assert.Equal(new Outcome(Verdict.Allow, null), _lowered.Judge(1, "10.0.0.1"));
        Assert.Equal(new Outcome(Verdict.AuditIsolated, Reference("isolation")), _lowered.Judge(1, "10.0.0.1", 0, 81));
        Assert.Equal(new Outcome(Verdict.Deny, Reference("deny", 0)), _lowered.Judge(1, "10.0.0.2", 0, 22));
    }

    [Fact]
    public void RemovedRuleSet_BeforeComplete_StaysInForce()
    {
        _lowered.Change(AddRules(1, Policy(Rule("old", RuleAction.Accept, [1]))));
        var oldRow = _lowered.Lowering.RowOf(new RuleSetId(1));

        _lowered.Lowering.Apply(AddRules(2, Policy(Rule("new", RuleAction.Accept, [2]))) with
        {
            RemovedRuleSets = [new RuleSetId(1)],
            RemovedPeerSets = [new PeerSetId(1)],
            PeerSets = [new PeerSetDelta(new PeerSetId(1), "test", [], [IpPrefix.Parse("10.0.0.1/32")])],
        });

        Assert.Equal(Verdict.Allow, _lowered.Judge(oldRow, IpAddress.Parse("10.0.0.1"), 0, 80).Kind);
        Assert.Equal(Verdict.Isolated, _lowered.Judge(oldRow, IpAddress.Parse("10.0.0.2"), 0, 80).Kind);
        Assert.Equal(Verdict.Allow, _lowered.Judge(2, "10.0.0.2").Kind);
        _lowered.Lowering.Complete();
        Assert.Throws<KeyNotFoundException>(() => _lowered.Lowering.RowOf(new RuleSetId(1)));
        Assert.Equal(Verdict.Isolated, _lowered.Judge(2, "fd00::1").Kind);
    }

    [Fact]
    public void Pages_OfOneVerdict_AreSharedByAllRows()
    {
        _lowered.Change([.. Enumerable.Range(3, 600).Select(set => AddPrefixes(set, $"10.1.{set / 256}.{set % 256}/32"))]);
        var before = Entries("pages");

        _lowered.Change([.. Enumerable.Range(1, 20).Select(id =>
            AddRules(id, Policy(Rule("all", RuleAction.Accept, [.. Enumerable.Range(1, 602)]))))]);

        // Class 0 shares its page with classes that are allowed: one page of its own per row, beside the two uniform ones.
        Assert.InRange(Entries("pages") - before, 20, 2 + (2 * 20));
        Assert.Equal(Verdict.Allow, _lowered.Judge(20, "10.1.2.2").Kind);
    }

    [Fact]
    public void PortLists_OfEqualContent_AreShared()
    {
        _lowered.Change(AddRules(1, Policy(Rule("web", RuleAction.Accept, [1], new PortRange(IpProtocol.Tcp, 80, 80)))));
        var before = Entries("ports");

        _lowered.Change(AddRules(2, Policy(Rule("web", RuleAction.Accept, [2], new PortRange(IpProtocol.Tcp, 80, 80)))));

        Assert.True(before > 0);
        Assert.Equal(before, Entries("ports"));
    }

    [Theory]
    [InlineData("rows")]
    [InlineData("pages")]
    [InlineData("ports")]
    [InlineData("nodes6")]
    public void Table_WhenFull_IsReportedAndRulesStayInForce(string table)
    {
        using var lowered = new Lowered(new TestTables(
            nodes6: table == "nodes6" ? 3 : 4096, rows: table == "rows" ? 3 : 256, pages: table == "pages" ? 5 : 4096, ports: table == "ports" ? 9 : 4096));
        lowered.Change(AddPrefixes(1, "10.0.0.1/32"), AddRules(1, Policy(Rule("first", RuleAction.Accept, [1]))));

        var full = Assert.Throws<TableFullException>(() =>
        {
            for (var i = 2; i < 10; i++)
            {
                lowered.Lowering.Apply(AddPrefixes(i, $"10.0.0.{i}/32", $"fd00:{i}::1/128"));
                lowered.Lowering.Complete();
                lowered.Lowering.Apply(AddRules(i, Policy(Rule("next", RuleAction.Accept, [i], new PortRange(IpProtocol.Tcp, 1, Port(i))))));
                lowered.Lowering.Complete();
            }
        });

        Assert.Equal(table, full.Table);
        Assert.Equal(Verdict.Allow, lowered.Judge(1, "10.0.0.1").Kind);
        Assert.Equal(Verdict.Isolated, lowered.Judge(1, "10.0.0.9").Kind);
    }

    [Fact]
    public void Estimate_OfAWorld_IsRoomEnough()
    {
        _lowered.Change([.. Enumerable.Range(1, 30).Select(id => AddRules(
            id, Policy(Rule($"rule{id}", RuleAction.Accept, [1 + (id % 2)], new PortRange(IpProtocol.Tcp, Port(id), Port(id + 5))))))]);

        var capacities = TableCapacities.Estimate(_lowered.Lowering.World);

        using var tables = new TestTables(capacities.Blocks, capacities.Nodes6, capacities.Rows, capacities.Pages, capacities.Ports);
        var rebuilt = new RuleLowering(tables, _lowered.Lowering.World);
        Assert.Equal(Verdict.Allow, Verdict.Kind(TableReader.Judge(tables, rebuilt.RowOf(new RuleSetId(1)), Addresses[0], 0, 3)));
    }

    private static RuleTier Policy(params Rule[] rules) => new(RuleTierKind.NetworkPolicy, [.. rules], Reference("isolation"));

    private static ushort Port(int number) => (ushort)number;

    private static uint Transport(int number) => (uint)number % 3;

    private static IpProtocol Protocol(int number) => Transport(number) switch { 0 => IpProtocol.Tcp, 1 => IpProtocol.Udp, _ => IpProtocol.Sctp };

    private static IEnumerable<(uint Transport, ushort Port)> Around(uint transport, int first, int last) =>
        new[] { first - 1, first, last, last + 1 }.Where(port => port >= 0).Select(port => (transport, Port(port)));

    private long Entries(string table) => _lowered.Lowering.Usage.Single(usage => usage.Table == table).Entries;

    [Fact]
    public void RuleSets_BeyondTheLargestTable_DoNotFitUntilOthersAreGone()
    {
        using var tables = new TestTables(rows: TableCapacities.MaxRows);
        var lowering = new RuleLowering(tables);
        var ids = Enumerable.Range(1, TableCapacities.MaxRows + 4).Select(id => new RuleSetId(id)).ToArray();
        lowering.Apply(new ChangeSet { Revision = 1, RuleSets = [.. ids.SelectMany(id => AddRules(id.Value, new RuleTier(RuleTierKind.NetworkPolicy, [], Reference($"p{id.Value}"))).RuleSets)] });
        lowering.Complete();
        RuleSetId[] waiting = [.. ids.TakeLast(5)];
        Assert.Equal(waiting, ids.Where(id => !lowering.Fits(id)));

        // One of those that wait goes too.
        lowering.Apply(new ChangeSet { Revision = 2, RemovedRuleSets = [ids[0], ids[7], waiting[0]] });
        lowering.Complete();
        lowering.Apply(new ChangeSet { Revision = 3 });
        lowering.Complete();

        Assert.Equal(waiting[3..], waiting[1..].Where(id => !lowering.Fits(id)));
        Assert.Equal(Verdict.Isolated, Verdict.Kind(TableReader.Judge(tables, lowering.RowOf(waiting[2]), Addresses[0], 0, 1)));
    }
}
