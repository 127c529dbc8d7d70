using Portcullis.Net;
using Portcullis.Policy.Tests.Support;
using Portcullis.Resources;
using Xunit;
using static Portcullis.Policy.Tests.Support.Cluster;

namespace Portcullis.Policy.Tests.Semantics;

/// <summary>What a ClusterNetworkPolicy means, line by line.</summary>
public sealed class ClusterNetworkPolicySemanticsTests
{
    private const string A = "10.0.0.1";
    private const string B = "10.0.0.2";
    private const string B6 = "fd00::2";
    private const string Outside = "192.0.2.1";
    private const string NodeAddress = "192.168.0.1";

    private static readonly PolicyOptions OnNode = new() { NodeName = "n1" };

    private static Resource[] World =>
    [
        Pod("a", $"{A} fd00::1", ("app", "a")),
        Pod("b", $"{B} {B6}", ("app", "b")) with { Ports = [new("http", IpProtocol.Tcp, 8080)] },
        new Node { Name = "n1", Labels = LabelSet.Of(("role", "worker")), Addresses = [IpAddress.Parse(NodeAddress)] },
    ];

    private static Cluster With(params Resource[] policies) => new(OnNode, [.. World, .. policies]);

    [Fact]
    public void Tiers_InOrder_AdminThenNetworkPolicyThenBaseline()
    {
        var baseline = Admin("base", Rule(RuleAction.Deny, AllPods)) with { Tier = PolicyTier.Baseline };
        Assert.False(With(baseline).Passes(A, B));
        Assert.True(With(baseline, Egress("p", LabelSelector.Everything, Allow([]))).Passes(A, B));
        Assert.False(With(Egress("p", LabelSelector.Everything)).Passes(A, B));
        Assert.True(With(Admin("first", Rule(RuleAction.Accept, AllPods)), Egress("p", LabelSelector.Everything), baseline).Passes(A, B));
        Assert.False(With(Admin("first", Rule(RuleAction.Deny, AllPods)), Egress("p", LabelSelector.Everything, Allow([]))).Passes(A, B));
    }

    [Fact]
    public void Pass_InAdmin_LeavesItToTheNextTier()
    {
        var pass = Admin("a", Rule(RuleAction.Pass, AllPods), Rule(RuleAction.Deny, AllPods));

        Assert.True(With(pass, Admin("b", Rule(RuleAction.Deny, AllPods))).Passes(A, B));
        Assert.False(With(pass, Egress("p", LabelSelector.Everything)).Passes(A, B));
    }

    [Fact]
    public void Priority_LowerFirst_ThenName()
    {
        var accept = Admin("m", Rule(RuleAction.Accept, AllPods)) with { Priority = 5 };
        var deny = Admin("n", Rule(RuleAction.Deny, AllPods)) with { Priority = 5 };

        Assert.True(With(accept, deny).Passes(A, B));
        Assert.False(With(accept, deny with { Priority = 4 }).Passes(A, B));
        Assert.False(With(accept, deny with { Name = "l" }).Passes(A, B));
    }

    [Fact]
    public void Subject_Pods_LimitsWhomItConcerns()
    {
        var policy = Admin("x", Rule(RuleAction.Deny, AllPods)) with { Subject = new ClusterPolicySubject(LabelSelector.Everything, Has("app", "a")) };

        Assert.False(With(policy).Passes(A, B));
        Assert.True(With(policy).Passes(B, A));
        Assert.True(With(policy with { Egress = [] }).Passes(A, B));
    }

    [Fact]
    public void Baseline_NetworkPolicyIsolatesOtherDirection_IsConsulted()
    {
        var baseline = Admin("base", Rule(RuleAction.Deny, AllPods)) with { Tier = PolicyTier.Baseline };

        Assert.False(With(baseline, Ingress("p", LabelSelector.Everything, Allow([]))).Passes(A, B));
    }

    [Fact]
    public void Networks_OnEgress_MatchPodsToo()
    {
        var cluster = With(Admin("x", Rule(RuleAction.Deny, Networks("10.0.0.2/32", "fd00::/16"))));

        Assert.False(cluster.Passes(A, B));
        Assert.False(cluster.Passes("fd00::1", B6));
        Assert.True(cluster.Passes(A, Outside));
    }

    [Fact]
    public void OwnNode_OnlyNodesAndNetworks_CanDenyIt()
    {
        Assert.False(With(Admin("x", Rule(RuleAction.Deny, Networks("192.168.0.0/16")))).Passes(A, NodeAddress));
        Assert.False(With(Admin("x", Rule(RuleAction.Deny, new ClusterPolicyPeer(Nodes: Has("role", "worker"))))).Passes(A, NodeAddress));
        Assert.True(With(Admin("x", Rule(RuleAction.Deny, new ClusterPolicyPeer(Nodes: Has("role", "other"))))).Passes(A, NodeAddress));
        Assert.True(With(Admin("x", Rule(RuleAction.Deny, AllPods))).Passes(A, NodeAddress));
        var baseline = Admin("x", Rule(RuleAction.Deny, Networks("0.0.0.0/0"))) with { Tier = PolicyTier.Baseline };
        Assert.True(With(baseline).Passes(A, NodeAddress));

        var failsClosed = Admin("x", Rule(RuleAction.Deny, AllPods) with { Defect = "unknown peer" });
        Assert.True(With(failsClosed).Passes(A, NodeAddress));
        Assert.False(With(failsClosed).Passes(A, Outside));
        Assert.False(With(Admin("x", failsClosed.Egress[0], Rule(RuleAction.Deny, Networks("192.168.0.0/16")))).Passes(A, NodeAddress));
    }

    [Fact]
    public void OwnNode_AddressOfASelfWorkload_IsNotDeniedByPods()
    {
        var machine = Pod("machine", NodeAddress) with { Side = InterfaceSide.Self };

        Assert.True(With(machine, Admin("x", Rule(RuleAction.Deny, AllPods)))
            .Judge(Direction.Egress, A, NodeAddress, Tcp80).Allowed);
    }

    [Theory]
    [InlineData(RuleAction.Accept, true)]
    [InlineData(RuleAction.Deny, false)]
    [InlineData(RuleAction.Pass, false)]
    public void FailClosed_EmptyOrUnknownPart_MakesTheWholeRuleClosed(RuleAction action, bool passes)
    {
        ClusterPolicyRule[] rules =
        [
            Rule(action, AllPods) with { Peers = [] },
            Rule(action, AllPods) with { Ports = EquatableArray.Create<ClusterPolicyPort>([]) },
            Rule(action, AllPods) with { Peers = [AllPods, new ClusterPolicyPeer()] },
            Rule(action, AllPods) with { Peers = [AllPods, Networks()] },
            Rule(action, AllPods, new ClusterPolicyPort(null)),
            Rule(action, AllPods) with { Defect = "unknown protocol" },
            Rule(action, new ClusterPolicyPeer(DomainNames: ["example.org"])),
        ];
        foreach (var rule in rules)
        {
            // A Baseline denial tells an Accept that matches nothing from one that matches.
            Assert.Equal(passes, With(Admin("x", rule)).Passes(A, Outside));
            Assert.False(With(Admin("x", rule), Admin("y", Rule(RuleAction.Deny, Networks("0.0.0.0/0"))) with { Tier = PolicyTier.Baseline }).Passes(A, B));
        }
    }

    [Fact]
    public void Defective_Policy_DeniesAllAsAWholeAndSparesTheOwnNode()
    {
        const string Defect = "spec.priority: 1001 is out of range: 0 to 1000";
        var closed = Admin("x", Rule(RuleAction.Deny, AllPods) with { Peers = [], Defect = Defect }) with
        {
            Defect = Defect,
            Position = new SourcePosition("x.yaml", 1),
        };
        var cluster = With(closed, Egress("p", LabelSelector.Everything, Allow([])));

        var verdict = cluster.Judge(Direction.Egress, A, Outside, Tcp80);
        Assert.False(verdict.Allowed);
        Assert.Null(verdict.DecidedBy?.Rule);
        Assert.Equal(new SourcePosition("x.yaml", 1), verdict.DecidedBy?.Position);
        Assert.Contains(Defect, verdict.Reason);
        Assert.True(cluster.Passes(A, NodeAddress));
        Assert.True(cluster.Passes(Outside, A));
    }

    [Fact]
    public void Ports_ByNumberRangeAndName_BindTheRule()
    {
        var cluster = With(
            Admin("x", Rule(RuleAction.Accept, AllPods, new ClusterPolicyPort(IpProtocol.Tcp, 80, 81), new ClusterPolicyPort(IpProtocol.Udp), new ClusterPolicyPort(null, NamedPort: "http"))),
            Admin("y", Rule(RuleAction.Deny, AllPods)));

        Assert.True(cluster.Passes(A, B, 81));
        Assert.False(cluster.Passes(A, B, 82));
        Assert.True(cluster.Passes(A, B, 9, IpProtocol.Udp));
        Assert.True(cluster.Passes(A, B, 8080));
        Assert.False(cluster.Passes(B, A, 8080));
        Assert.False(cluster.Passes(A, B, Icmp));
    }

    [Fact]
    public void Self_ThroughService_AppliesClusterNetworkPolicy()
    {
        var service = new Service
        {
            Namespace = "default",
            Name = "a",
            ClusterIps = [IpAddress.Parse("10.96.0.1")],
            Ports = [new ServicePort(IpProtocol.Tcp, 80, (ushort)80)],
            Selector = LabelSet.Of(("app", "a")),
        };

        Assert.True(With(service, Egress("p", LabelSelector.Everything)).Judge(Direction.Egress, A, "10.96.0.1", Tcp80).Allowed);
        Assert.False(With(service, Egress("p", LabelSelector.Everything), Admin("x", Rule(RuleAction.Deny, AllPods)))
            .Judge(Direction.Egress, A, "10.96.0.1", Tcp80).Allowed);
    }

    [Fact]
    public void Findings_DomainNames_NameTheRule()
    {
        var cluster = With(Admin("x", Rule(RuleAction.Accept, new ClusterPolicyPeer(DomainNames: ["example.org"]))));

        var finding = Assert.Single(cluster.Compiled.Compiler.Findings);
        Assert.Equal("ClusterNetworkPolicy x", finding.Object);
        Assert.Contains("domainNames are not enforced", finding.Message);
    }

    [Fact]
    public void Findings_TwoSelfWorkloadsOrOneAddressTwice_AreReported()
    {
        var cluster = new Cluster(
            Pod("one", "10.0.0.8") with { Side = InterfaceSide.Self }, Pod("two", "10.0.0.8") with { Side = InterfaceSide.Self });

        Assert.Equal(2, cluster.Compiled.Compiler.Findings.Count(finding => finding.Severity == FindingSeverity.Error));
        Assert.Contains(cluster.Compiled.Compiler.Findings, finding => finding.Message.StartsWith("10.0.0.8 is also", StringComparison.Ordinal));
    }
}
