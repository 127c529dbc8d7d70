using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

public class ClusterNetworkPolicyReaderTests
{
    private const string Head = "tier: Admin\npriority: 10\nsubject: { namespaces: {} }\n";

    [Fact]
    public void Policy_WithEverything_IsRead()
    {
        var policy = Reading.Clean<ClusterNetworkPolicy>(Reading.ClusterPolicy("""
            tier: Baseline
            priority: 1000
            subject:
              pods: { namespaceSelector: { matchLabels: { a: b } }, podSelector: {} }
            ingress:
            - name: in
              action: Deny
              from:
              - namespaces: {}
              - pods: { namespaceSelector: {}, podSelector: { matchLabels: { a: b } } }
              protocols:
              - tcp: { destinationPort: { number: 80 } }
              - udp: { destinationPort: { range: { start: 1, end: 9 } } }
              - destinationNamedPort: http
            egress:
            - action: Pass
              to:
              - nodes: {}
              - networks: [10.0.0.0/8, "fd00::/8"]
              protocols:
              - sctp: { destinationPort: { number: 5 } }
            """));

        Assert.Equal((PolicyTier.Baseline, 1000), (policy.Tier, policy.Priority));
        var selector = new LabelSelector([new LabelRequirement("a", LabelOperator.In, ["b"])]);
        Assert.Equal(new ClusterPolicySubject(selector, LabelSelector.Everything), policy.Subject);
        Assert.Equal(
            new ClusterPolicyRule(
                "in",
                RuleAction.Deny,
                [
                    new ClusterPolicyPeer(Pods: new ClusterPolicySubject(LabelSelector.Everything, null)),
                    new ClusterPolicyPeer(Pods: new ClusterPolicySubject(LabelSelector.Everything, selector)),
                ],
                [
                    new ClusterPolicyPort(IpProtocol.Tcp, 80, 80),
                    new ClusterPolicyPort(IpProtocol.Udp, 1, 9),
                    new ClusterPolicyPort(null, NamedPort: "http"),
                ],
                null,
                new SourcePosition(Reading.File, 10, 5)),
            Assert.Single(policy.Ingress));
        var egress = Assert.Single(policy.Egress);
        Assert.Equal(LabelSelector.Everything, egress.Peers[0].Nodes);
        Assert.Equal(new EquatableArray<IpPrefix>([IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("fd00::/8")]), egress.Peers[1].Networks);
        Assert.Null(egress.Defect);
    }

    [Fact]
    public void Policy_WithErrorsInFieldsAndRules_HasAFindingForEach()
    {
        var read = Reading.Of(Reading.ClusterPolicy("tier: Admins\npriority: 1\nsubject: { namespaces: {} }\ningress: [ { action: Allow, from: [] } ]"));

        Assert.Equal([5, 8, 8], read.Findings.Select(finding => finding.Position.Line));
    }

    [Theory]
    [InlineData("tier: Admin\nsubject: { namespaces: {} }", "spec.priority: required")]
    [InlineData("priority: 1\nsubject: { namespaces: {} }", "spec.tier: required")]
    [InlineData("tier: Admin\npriority: 1", "spec.subject: required")]
    [InlineData("tier: admin\npriority: 1\nsubject: { namespaces: {} }", "\"admin\" is not one of Admin, Baseline; did you mean Admin?")]
    [InlineData("tier: NetworkPolicy\npriority: 1\nsubject: { namespaces: {} }", "is not one of Admin, Baseline")]
    [InlineData("tier: Admin\npriority: 1001\nsubject: { namespaces: {} }", "1001 is out of range: 0 to 1000")]
    [InlineData("tier: Admin\npriority: -1\nsubject: { namespaces: {} }", "-1 is out of range")]
    [InlineData("tier: Admin\npriority: high\nsubject: { namespaces: {} }", "must be an integer")]
    [InlineData("tier: Admin\npriority: 1\nsubject: {}", "must have either namespaces or pods")]
    [InlineData("tier: Admin\npriority: 1\nsubject: { namespaces: {}, pods: { podSelector: {} } }", "must have either namespaces or pods")]
    [InlineData("tier: Admin\npriority: 1\nsubject: { pods: { namespaceSelector: {} } }", "spec.subject.pods.podSelector: required")]
    [InlineData("tier: Admin\npriority: 1\nsubject: { nodes: {} }", "unknown field")]
    [InlineData(Head + "ingres: []", "spec.ingres: unknown field; did you mean ingress?")]
    [InlineData(Head + "ingress: {}", "must be a list")]
    public void Policy_WithErrorOutsideRules_IsClosed(string spec, string message)
    {
        var read = Reading.Of(Reading.ClusterPolicy(spec + "\negress:\n- { action: Accept, to: [ { namespaces: {} } ] }"));

        Assert.Contains(read.Findings, finding => finding.Severity == FindingSeverity.Error && finding.Message.Contains(message, StringComparison.Ordinal));
        Assert.All(read.Findings, finding => Assert.True(finding.Position is { Line: > 0, Column: > 0, File: Reading.File }));
        var policy = Assert.IsType<ClusterNetworkPolicy>(Assert.Single(read.Resources));
        Assert.Contains(message, policy.Defect, StringComparison.Ordinal);
        var rule = Assert.Single(policy.Egress);
        Assert.Equal((RuleAction.Deny, policy.Defect), (rule.Action, rule.Defect));
        Assert.Equal(spec.Contains("ingres", StringComparison.Ordinal), policy.Ingress.Count == 1);
    }

    [Fact]
    public void Rules_TooMany_CloseThePolicy()
    {
        var rule = "- { action: Accept, from: [ { namespaces: {} } ] }\n";

        Assert.Null(Reading.One<ClusterNetworkPolicy>(Reading.ClusterPolicy(Head + "ingress:\n" + string.Concat(Enumerable.Repeat(rule, 25)))).Defect);
        Assert.NotNull(Reading.One<ClusterNetworkPolicy>(Reading.ClusterPolicy(Head + "ingress:\n" + string.Concat(Enumerable.Repeat(rule, 26)))).Defect);
    }

    [Theory]
    [InlineData("action: Accept", "to: must have at least one entry")]
    [InlineData("action: Accept, to: []", "to: must have at least one entry")]
    [InlineData("action: Accept, to: [ {} ]", "must have exactly one of namespaces, pods, nodes, networks, domainNames")]
    [InlineData("action: Accept, to: [ { future: {} } ]", "unknown field")]
    [InlineData("action: Accept, to: [ { namespaces: {}, nodes: {} } ]", "must have exactly one of")]
    [InlineData("action: Accept, to: [ { networks: [] } ]", "networks: must have at least one entry")]
    [InlineData("action: Accept, to: [ { networks: [10.0.0.0] } ]", "is no address block; did you mean 10.0.0.0/32?")]
    [InlineData("action: Accept, to: [ { networks: [10.0.0.0/8, 10.0.0.0/8] } ]", "is given twice")]
    [InlineData("action: Accept, to: [ { networks: [\"0000:0000:0000:0000:0000:0000:0000:0000:0000/128\"] } ]", "longer than 43")]
    [InlineData("action: Accept, to: [ { pods: {} } ]", "podSelector: required")]
    [InlineData("action: Accept, to: [ { namespaces: { matchExpressions: [ { key: a, operator: Has } ] } } ]", "\"Has\" is not one of")]
    [InlineData("action: Accept, to: [ { domainNames: [] } ]", "domainNames: must have at least one entry")]
    [InlineData("action: Accept, to: [ { domainNames: [\"a..b\"] } ]", "is no domain name")]
    [InlineData("action: Accept, to: [ { domainNames: [\"*\"] } ]", "is no domain name")]
    [InlineData("action: Accept, to: [ { domainNames: [\"a.b\\n\"] } ]", "is no domain name")]
    [InlineData("action: Deny, to: [ { domainNames: [\"a.b\"] } ]", "domainNames may only stand in Accept rules")]
    [InlineData("action: allow, to: [ { namespaces: {} } ]", "\"allow\" is not one of Accept, Deny, Pass")]
    [InlineData("to: [ { namespaces: {} } ]", "action: required")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: []", "protocols: must have at least one entry")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: null", "protocols: must have at least one entry")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ {} ]", "must have exactly one of tcp, udp, sctp, destinationNamedPort")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ { icmp: {} } ]", "unknown field")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ { tcp: {} } ]", "destinationPort: required")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ { tcp: { destinationPort: {} } } ]", "must have either number or range")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ { tcp: { destinationPort: { number: 0 } } } ]", "out of range")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ { tcp: { destinationPort: { number: 1, range: { start: 1, end: 2 } } } } ]", "either number or range")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ { tcp: { destinationPort: { range: { start: 2, end: 2 } } } } ]", "start 2 must be less than end 2")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ { tcp: { destinationPort: { range: { start: 2 } } } } ]", "end: required")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocols: [ { destinationNamedPort: \"\" } ]", "is no port name")]
    [InlineData("action: Accept, to: [ { networks: [10.0.0.0/8] } ], protocols: [ { destinationNamedPort: http } ]", "have no named ports")]
    [InlineData("action: Accept, to: [ { nodes: {} } ], protocols: [ { destinationNamedPort: http } ]", "have no named ports")]
    [InlineData("action: Accept, from: [ { namespaces: {} } ]", "unknown field")]
    [InlineData("action: Accept, to: [ { namespaces: {} } ], protocol: [ { tcp: { destinationPort: { number: 1 } } } ]", "unknown field; did you mean protocols?")]
    public void Rule_WithError_FailsClosedByItself(string rule, string message)
    {
        var read = Reading.Of(Reading.ClusterPolicy($"{Head}egress:\n- {{ action: Accept, to: [ {{ namespaces: {{}} }} ] }}\n- {{ {rule} }}"));

        Assert.Contains(read.Findings, finding =>
            finding.Severity == FindingSeverity.Error && finding.Position.Line == 10 && finding.Message.Contains(message, StringComparison.Ordinal));
        var policy = Assert.IsType<ClusterNetworkPolicy>(Assert.Single(read.Resources));
        Assert.Null(policy.Defect);
        Assert.Null(policy.Egress[0].Defect);
        Assert.NotNull(policy.Egress[1].Defect);
    }

    [Theory]
    [InlineData(101, 1, 1)]
    [InlineData(1, 26, 1)]
    [InlineData(1, 1, 26)]
    public void Rule_BeyondALimit_FailsClosed(int name, int peers, int protocols)
    {
        Assert.NotNull(Rule(name, peers, protocols).Defect);
        Assert.Null(Rule(Math.Min(name, 100), Math.Min(peers, 25), Math.Min(protocols, 25)).Defect);

        static ClusterPolicyRule Rule(int name, int peers, int protocols) => Reading.One<ClusterNetworkPolicy>(Reading.ClusterPolicy(
            $"{Head}ingress:\n- name: {new string('x', name)}\n  action: Accept\n  from: [{string.Join(',', Enumerable.Repeat("{ namespaces: {} }", peers))}]\n"
            + $"  protocols: [{string.Join(',', Enumerable.Repeat("{ tcp: { destinationPort: { number: 1 } } }", protocols))}]")).Ingress[0];
    }

    [Fact]
    public void DomainNames_InAcceptRule_AreCarriedAndNotEnforced()
    {
        var read = Reading.Of(Reading.ClusterPolicy(Head + "egress:\n- { action: Accept, to: [ { domainNames: [\"*.example.com\", b.example.com.] } ] }"));

        Assert.Equal(FindingSeverity.Warning, Assert.Single(read.Findings).Severity);
        var rule = Assert.IsType<ClusterNetworkPolicy>(Assert.Single(read.Resources)).Egress[0];
        Assert.Equal(["*.example.com", "b.example.com."], rule.Peers[0].DomainNames!.Value);
        Assert.NotNull(rule.Defect);
    }

    [Fact]
    public void IngressPeer_OfEgressKind_IsUnknown()
    {
        var policy = Reading.One<ClusterNetworkPolicy>(Reading.ClusterPolicy(Head + "ingress:\n- { action: Deny, from: [ { networks: [10.0.0.0/8] } ] }"));

        Assert.NotNull(policy.Ingress[0].Defect);
    }

    [Fact]
    public void Networks_WithHostBits_StandForTheirNetwork()
    {
        var read = Reading.Of(Reading.ClusterPolicy(Head + "egress:\n- { action: Deny, to: [ { networks: [10.1.2.3/8] } ] }"));

        Assert.Equal(FindingSeverity.Warning, Assert.Single(read.Findings).Severity);
        Assert.Equal([IpPrefix.Parse("10.0.0.0/8")], Assert.IsType<ClusterNetworkPolicy>(read.Resources[0]).Egress[0].Peers[0].Networks!.Value);
    }

    [Fact]
    public void DestinationNamedPort_NoPodCanServe_IsAWarningAndNoDefect()
    {
        var read = Reading.Of(Reading.ClusterPolicy(
            "tier: Admin\npriority: 1\nsubject: { namespaces: {} }\negress: [ { action: Deny, to: [ { namespaces: {} } ], protocols: [ { destinationNamedPort: HTTP } ] } ]"));

        var finding = Assert.Single(read.Findings);
        Assert.Equal((FindingSeverity.Warning, 8), (finding.Severity, finding.Position.Line));
        var rule = Assert.Single(Assert.IsType<ClusterNetworkPolicy>(Assert.Single(read.Resources)).Egress);
        Assert.Null(rule.Defect);
        Assert.Equal(new ClusterPolicyPort(null, NamedPort: "HTTP"), Assert.Single(rule.Ports!.Value));
    }
}
