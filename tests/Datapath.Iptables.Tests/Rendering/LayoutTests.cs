using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using static Portcullis.Datapath.Conformance.PolicedNode;

namespace Portcullis.Datapath.Iptables.Tests.Rendering;

public sealed class LayoutTests
{
    private static readonly ChangeSet TwoPeerSets = new()
    {
        Revision = 1,
        Replace = true,
        PeerSets = [Peers(1, "10.0.0.0/8"), Peers(2, "10.0.0.0/8")],
        RuleSets = [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1)), Isolated(2, Direction.Ingress, Rule(RuleAction.Accept, 2))],
        Endpoints = [On("a", 1), On("b", 2)],
    };

    [Fact]
    public void Advance_NoRoomForASet_ClosesOnlyTheRuleSetThatNeedsIt()
    {
        // Own addresses and one peer set, each for two families.
        var (layout, plan) = Start(setLimit: 4);

        Assert.Equal(["NetworkPolicy default/policy"], layout.Closed.Select(problem => problem.Object));
        var rules = plan.Of("mangle", IpFamily.IPv4).Written.Where(chain => chain.Name.StartsWith("pcl.t.f", StringComparison.Ordinal)).Select(chain => chain.Rules);
        Assert.Contains(rules, chain => chain is ["-g pcl.t.xi"]);
        Assert.Contains(rules, chain => chain.Any(rule => rule.Contains("-g pcl.t.ai", StringComparison.Ordinal)));
        Assert.Equal(4, layout.SetCount);
    }

    [Fact]
    public void Advance_RoomForAll_ClosesNothing()
    {
        var (layout, _) = Start(setLimit: 6);

        Assert.Empty(layout.Closed);
    }

    [Fact]
    public void Advance_EverythingRemoved_LeavesNoChainButTheHooks()
    {
        var world = new World();
        var layout = Layout(world, setLimit: 6);
        world.Apply(TwoPeerSets);
        var first = layout.Advance(TwoPeerSets);
        var removal = new ChangeSet
        {
            Revision = 2,
            RemovedPeerSets = [new(1), new(2)],
            RemovedRuleSets = [new(1), new(2)],
            RemovedEndpoints = [new("default", "a"), new("default", "b")],
        };
        world.Apply(removal);

        var last = layout.Advance(removal);

        var ofRules = first.Of("mangle", IpFamily.IPv6).Written.Select(chain => chain.Name).Where(name => name.StartsWith("pcl.t.f", StringComparison.Ordinal));
        Assert.Equal(ofRules.Order(), last.Of("mangle", IpFamily.IPv6).Removed.Order());
        Assert.Equal(4, last.Garbage.Count);
        Assert.All(last.Of("mangle", IpFamily.IPv6).Written, chain => Assert.Empty(chain.Rules));
    }

    [Fact]
    public void Advance_NoTableSecurity_JudgesBothDirectionsInMangle()
    {
        var changes = TwoPeerSets with { Endpoints = [On("a", 1) with { Egress = new RuleSetId(3) }], RuleSets = [.. TwoPeerSets.RuleSets, Isolated(3, Direction.Egress)] };
        var world = new World();
        world.Apply(changes);
        var (both, one) = (Layout(world, setLimit: 6), Layout(world, setLimit: 6, tables: ["mangle", "raw"]));
        var (planOfBoth, plan) = (both.Advance(changes), one.Advance(changes));

        Assert.Equal(["security INPUT", "security FORWARD", "mangle POSTROUTING", "raw PREROUTING"], both.Jumps.Select(jump => $"{jump.Table} {jump.BuiltIn}"));
        Assert.Equal(["mangle INPUT", "mangle FORWARD", "mangle POSTROUTING", "raw PREROUTING"], one.Jumps.Select(jump => $"{jump.Table} {jump.BuiltIn}"));
        Assert.True(plan.Of("security", IpFamily.IPv4).IsEmpty);
        int Judging(Plan of, string table) => of.Of(table, IpFamily.IPv4).Added.Count(chain => chain.Name.StartsWith("pcl.t.f", StringComparison.Ordinal));
        Assert.Equal((1, 1), (Judging(planOfBoth, "security"), Judging(planOfBoth, "mangle")));
        Assert.Equal(2, Judging(plan, "mangle"));
    }

    [Fact]
    public void Advance_SctpPortsThatCannotBeMatched_ClosesOnlyTheirRulesAndReportsThem()
    {
        var changes = TwoPeerSets with
        {
            RuleSets = [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Sctp, 7000))), Isolated(2, Direction.Ingress, Rule(RuleAction.Accept, 2))],
        };
        var world = new World();
        world.Apply(changes);
        var layout = Layout(world, setLimit: 6, matchesSctpPorts: false);

        var plan = layout.Advance(changes);

        Assert.Equal(["NetworkPolicy default/policy"], layout.Closed.Select(problem => problem.Object));
        var rules = plan.Of("mangle", IpFamily.IPv4).Written.SelectMany(chain => chain.Rules).ToList();
        Assert.DoesNotContain(rules, rule => rule.Contains("sctp", StringComparison.Ordinal));
        Assert.Single(rules, rule => rule.Contains("--match-set pcl.t.p-", StringComparison.Ordinal));
    }

    private static (Layout Layout, Plan Plan) Start(int setLimit)
    {
        var world = new World();
        world.Apply(TwoPeerSets);
        var layout = Layout(world, setLimit);
        return (layout, layout.Advance(TwoPeerSets));
    }

    private static Layout Layout(World world, int setLimit, bool matchesSctpPorts = true, IReadOnlyList<string>? tables = null)
    {
        var names = new Names("t");
        var settings = new DatapathSettings("t", EstablishedConnections.Enforce, AllowSpoofing: false);
        return new Layout(world, names, new Verdicts(names, 1), settings, [IpFamily.IPv4, IpFamily.IPv6], setLimit, tables ?? ["security", "mangle", "raw"], matchesSctpPorts);
    }

    private static Endpoint On(string name, int ingress) => new(
        new("default", name), null, InterfaceSide.Peer, [], new RuleSetId(ingress), null, new Link($"veth-{name}", 1));
}
