using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

public class NetworkPolicyReaderTests
{
    [Fact]
    public void Policy_WithEverything_IsRead()
    {
        var policy = Reading.Clean<NetworkPolicy>("""
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata:
              name: all
              namespace: prod
              uid: u1
              annotations: { portcullis.dev/mode: audit }
            spec:
              podSelector:
                matchLabels: { app: web }
                matchExpressions:
                - { key: tier, operator: NotIn, values: [a, b] }
                - { key: x/y, operator: Exists }
              policyTypes: [Ingress, Egress]
              ingress:
              - from:
                - namespaceSelector: {}
                  podSelector: { matchLabels: { "": "" } }
                - ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/16] }
                ports:
                - { port: 80 }
                - { port: http, protocol: UDP }
                - { port: 1, endPort: 9, protocol: SCTP }
                - { protocol: UDP }
              egress:
              - {}
            """.Replace("matchLabels: { \"\": \"\" }", "matchLabels: { a: \"\" }", StringComparison.Ordinal));

        Assert.Equal(new ResourceKey(ResourceKind.NetworkPolicy, "prod", "all"), policy.Key);
        Assert.True(policy.Audit);
        Assert.Equal("u1", policy.Uid);
        Assert.Equal(new SourcePosition(Reading.File, 1, 1), policy.Position);
        Assert.Equal(PolicyTypes.Ingress | PolicyTypes.Egress, policy.Types);
        Assert.Equal(
            [
                new LabelRequirement("app", LabelOperator.In, ["web"]),
                new LabelRequirement("tier", LabelOperator.NotIn, ["a", "b"]),
                new LabelRequirement("x/y", LabelOperator.Exists, []),
            ],
            policy.PodSelector.Requirements);
        var rule = Assert.Single(policy.Ingress);
        Assert.Equal(new SourcePosition(Reading.File, 16, 5), rule.Position);
        Assert.Equal(new NetworkPolicyPeer(new LabelSelector([new LabelRequirement("a", LabelOperator.In, [""])]), LabelSelector.Everything, null), rule.Peers[0]);
        Assert.Equal(new IpBlock(IpPrefix.Parse("10.0.0.0/8"), [IpPrefix.Parse("10.1.0.0/16")]), rule.Peers[1].IpBlock);
        Assert.Equal(
            [
                new NetworkPolicyPort(IpProtocol.Tcp, (ushort)80, null),
                new NetworkPolicyPort(IpProtocol.Udp, "http", null),
                new NetworkPolicyPort(IpProtocol.Sctp, (ushort)1, 9),
                new NetworkPolicyPort(IpProtocol.Udp, null, null),
            ],
            rule.Ports);
        Assert.Equal(new NetworkPolicyRule([], [], new SourcePosition(Reading.File, 26, 5)), Assert.Single(policy.Egress));
    }

    [Fact]
    public void Policy_WithoutNamespace_IsInDefault()
    {
        var policy = Reading.Clean<NetworkPolicy>(Reading.Policy("podSelector: {}"));

        Assert.Equal("default", policy.Namespace);
        Assert.Equal(PolicyTypes.None, policy.Types);
        Assert.Equal(LabelSelector.Everything, policy.PodSelector);
    }

    [Theory]
    [InlineData("podSelecter: {}", 5, 3, "spec.podSelecter: unknown field; did you mean podSelector?")]
    [InlineData("podSelector: 3", 5, 16, "spec.podSelector: must be an object, not a number")]
    [InlineData("podSelector: { matchLabels: { app: true } }", 5, 38, "spec.podSelector.matchLabels.app: must be a string, not a boolean; quote it: \"true\"")]
    [InlineData("podSelector: { matchLabels: { app: 1 } }", 5, 38, "spec.podSelector.matchLabels.app: must be a string, not a number; quote it: \"1\"")]
    [InlineData("podSelector: { matchLabels: { app: yes } }", 5, 38, "must be a string, not a boolean")]
    [InlineData("podSelector: { matchLabels: { a b: x } }", 5, 33, "label key: name must be")]
    [InlineData("podSelector: { matchLabels: { a: -x } }", 5, 36, "label value \"-x\" must be")]
    [InlineData("podSelector: { matchExpressions: [ { key: a, operator: in, values: [x] } ] }", 5, 58, "\"in\" is not one of In, NotIn, Exists, DoesNotExist; did you mean In?")]
    [InlineData("podSelector: { matchExpressions: [ { key: a, operator: In } ] }", 5, 38, "spec.podSelector.matchExpressions[0].values: required with operator In")]
    [InlineData("podSelector: { matchExpressions: [ { key: a, operator: In, values: [] } ] }", 5, 38, "required with operator In")]
    [InlineData("podSelector: { matchExpressions: [ { key: a, operator: Exists, values: [x] } ] }", 5, 74, "must be absent with operator Exists")]
    [InlineData("podSelector: { matchExpressions: [ { operator: Exists } ] }", 5, 38, ".key: required")]
    [InlineData("podSelector: { matchExpressions: [ { key: a } ] }", 5, 38, ".operator: required")]
    [InlineData("policyTypes: [Ingres]", 5, 17, "spec.policyTypes[0]: \"Ingres\" is not one of Ingress, Egress; did you mean Ingress?")]
    [InlineData("policyTypes: Ingress", 5, 16, "must be a list, not a string")]
    [InlineData("policyTypes: [Ingress, Egress, Ingress]", 5, 16, "more than two")]
    [InlineData("ingress: {}", 5, 12, "must be a list, not an object")]
    [InlineData("ingress: [ { to: [] } ]", 5, 16, "spec.ingress[0].to: unknown field")]
    [InlineData("ingress: [ { from: [ {} ] } ]", 5, 24, "spec.ingress[0].from[0]: must have a podSelector, a namespaceSelector or an ipBlock")]
    [InlineData("ingress: [ { from: [ { ipBlock: { cidr: 10.0.0.0/8 }, podSelector: {} } ] } ]", 5, 35, "may not stand beside a selector")]
    [InlineData("ingress: [ { from: [ { ipBlock: {} } ] } ]", 5, 35, "spec.ingress[0].from[0].ipBlock.cidr: required")]
    [InlineData("ingress: [ { from: [ { ipBlock: { cidr: 10.0.0.1 } } ] } ]", 5, 43, "\"10.0.0.1\" is no address block; did you mean 10.0.0.1/32?")]
    [InlineData("ingress: [ { from: [ { ipBlock: { cidr: 10.0.0.0/33 } } ] } ]", 5, 43, "is no address block")]
    [InlineData("ingress: [ { from: [ { ipBlock: { cidr: 10.0.0.0/8, except: [11.0.0.0/16] } } ] } ]", 5, 64, "11.0.0.0/16 must lie within the cidr 10.0.0.0/8 and be smaller")]
    [InlineData("ingress: [ { from: [ { ipBlock: { cidr: 10.0.0.0/8, except: [10.0.0.0/8] } } ] } ]", 5, 64, "must lie within")]
    [InlineData("ingress: [ { from: [ { ipBlock: { cidr: 10.0.0.0/8, except: [\"fd00::/8\"] } } ] } ]", 5, 64, "must lie within")]
    [InlineData("ingress: [ { ports: [ { port: 0 } ] } ]", 5, 33, "0 is out of range: 1 to 65535")]
    [InlineData("ingress: [ { ports: [ { port: 65536 } ] } ]", 5, 33, "65536 is out of range")]
    [InlineData("ingress: [ { ports: [ { port: 99999999999999999999 } ] } ]", 5, 33, "spec.ingress[0].ports[0].port: ")]
    [InlineData("ingress: [ { ports: [ { port: 80.5 } ] } ]", 5, 33, "must be an integer, not a fraction")]
    [InlineData("ingress: [ { ports: [ { port: \"80\" } ] } ]", 5, 33, "\"80\" is the name of a port; write the number without quotes")]
    [InlineData("ingress: [ { ports: [ { port: Http } ] } ]", 5, 33, "\"Http\" is no port name")]
    [InlineData("ingress: [ { ports: [ { port: true } ] } ]", 5, 33, "must be an integer, not a boolean")]
    [InlineData("ingress: [ { ports: [ { protocol: tcp } ] } ]", 5, 37, "\"tcp\" is not one of TCP, UDP, SCTP; did you mean TCP?")]
    [InlineData("ingress: [ { ports: [ { protocol: ICMP } ] } ]", 5, 37, "\"ICMP\" is not one of")]
    [InlineData("ingress: [ { ports: [ { endPort: 80 } ] } ]", 5, 36, "may only be given with port")]
    [InlineData("ingress: [ { ports: [ { port: http, endPort: 80 } ] } ]", 5, 48, "may only be given with a numeric port")]
    [InlineData("ingress: [ { ports: [ { port: 80, endPort: 79 } ] } ]", 5, 46, "79 is below port 80")]
    [InlineData("ingress: [ { ports: [ { port: 80, port: 81 } ] } ]", 5, 37, "spec.ingress[0].ports[0].port: given twice")]
    [InlineData("podSelector: {}\nstuff: 1", 6, 3, "spec.stuff: unknown field")]
    public void Policy_WithError_IsRejectedAndClosed(string spec, int line, int column, string message)
    {
        var read = Reading.Of(Reading.Policy(spec));

        var finding = Assert.Single(read.Findings);
        Assert.Equal((FindingSeverity.Error, "NetworkPolicy default/x"), (finding.Severity, finding.Object));
        Assert.Equal(new SourcePosition(Reading.File, line, column), finding.Position);
        Assert.Contains(message, finding.Message, StringComparison.Ordinal);
        var policy = Assert.IsType<NetworkPolicy>(Assert.Single(read.Resources));
        Assert.Equal(finding.Message, policy.Defect);
        Assert.Empty(policy.Ingress);
        Assert.Empty(policy.Egress);
        Assert.NotEqual(PolicyTypes.None, policy.Types);
        Assert.True(read.Complete);
    }

    [Theory]
    [InlineData("ingress: 1", PolicyTypes.Ingress)]
    [InlineData("ingress: 1\negress: []", PolicyTypes.Ingress | PolicyTypes.Egress)]
    [InlineData("egress: 1", PolicyTypes.Ingress | PolicyTypes.Egress)]
    [InlineData("policyTypes: [Egress]\negress: 1", PolicyTypes.Egress)]
    [InlineData("policyTypes: [Ingress]\negress: 1", PolicyTypes.Ingress)]
    [InlineData("policyTypes: [Ingress, Egres]", PolicyTypes.Ingress | PolicyTypes.Egress)]
    [InlineData("policyTypes: 7", PolicyTypes.Ingress | PolicyTypes.Egress)]
    [InlineData("policytypes: [Egress]", PolicyTypes.Ingress | PolicyTypes.Egress)]
    [InlineData("egres: []", PolicyTypes.Ingress | PolicyTypes.Egress)]
    [InlineData("policyTypes: [Ingress]\npolicyTypes: [Egress]", PolicyTypes.Ingress | PolicyTypes.Egress)]
    [InlineData("x: 1", PolicyTypes.Ingress)]
    public void Closed_Types_AreAtLeastWhatIsNamed(string spec, PolicyTypes expected) =>
        Assert.Equal(expected, Reading.One<NetworkPolicy>(Reading.Policy(spec)).Types);

    [Theory]
    [InlineData("podSelector: { matchLabels: { a: b, c: [] } }", "a")]
    [InlineData("podSelector: { matchLabels: { a: b }, matchExpressions: [ { key: c, operator: Near } ] }", "a")]
    [InlineData("podSelector: [a]", "")]
    [InlineData("podSelector: { matchLabels: { a: b } }\nbad: 1", "a")]
    public void Closed_Selector_KeepsWhatCanBeRead(string spec, string keys) =>
        Assert.Equal(keys, string.Join(',', Reading.One<NetworkPolicy>(Reading.Policy(spec)).PodSelector.Requirements.Select(r => r.Key)));

    [Theory]
    [InlineData("ingress: [ { from: [ { ipBlock: { cidr: 10.0.0.1/8 } } ] } ]", "10.0.0.1/8 has host bits and stands for 10.0.0.0/8")]
    [InlineData("ingress: [ null ]", "an empty rule allows every peer and port")]
    [InlineData("policyTypes: [Ingress]\negress: [ {} ]", "policyTypes does not name Egress")]
    [InlineData("policyTypes: [Egress]\ningress: [ {} ]", "policyTypes does not name Ingress")]
    public void Policy_WithLikelyMistake_IsEnforcedWithAWarning(string spec, string message)
    {
        var read = Reading.Of(Reading.Policy(spec));

        var finding = Assert.Single(read.Findings);
        Assert.Equal(FindingSeverity.Warning, finding.Severity);
        Assert.Contains(message, finding.Message, StringComparison.Ordinal);
        Assert.Null(Assert.IsType<NetworkPolicy>(Assert.Single(read.Resources)).Defect);
    }

    [Theory]
    [InlineData("enforce")]
    [InlineData("Audit")]
    [InlineData("true")]
    [InlineData("null")]
    [InlineData("''")]
    public void Mode_OtherThanAudit_IsAnErrorAndThePolicyIsEnforced(string mode)
    {
        var read = Reading.Of(
            $"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: x\n  annotations:\n    portcullis.dev/mode: {mode}\nspec: {{ podSelector: {{}}, ingress: [{{}}] }}");

        var finding = Assert.Single(read.Findings);
        Assert.Equal((FindingSeverity.Error, 6, 26), (finding.Severity, finding.Position.Line, finding.Position.Column));
        var policy = Assert.IsType<NetworkPolicy>(Assert.Single(read.Resources));
        Assert.False(policy.Audit);
        Assert.Null(policy.Defect);
        Assert.Single(policy.Ingress);
    }

    [Theory]
    [InlineData("metadata: { name: Bad_Name }", "default/Bad_Name")]
    [InlineData("metadata: { name: 12 }", "default/12")]
    [InlineData("metadata: { name: x, namespace: UP }", "UP/x")]
    [InlineData("metadata: { name: x, lables: {} }", "default/x")]
    [InlineData("metadata: { name: x, labels: { a: 1 } }", "default/x")]
    [InlineData("metadata: { name: x }\nspce: {}", "default/x")]
    public void Metadata_Invalid_ClosesThePolicy(string rest, string name)
    {
        var read = Reading.Of($"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{rest}\n");

        Assert.Contains(read.Findings, finding => finding.Severity == FindingSeverity.Error);
        var policy = Assert.IsType<NetworkPolicy>(Assert.Single(read.Resources));
        Assert.NotNull(policy.Defect);
        Assert.Equal(name, policy.Key.NamespacedName.ToString());
    }

    [Theory]
    [InlineData("metadata: {}")]
    [InlineData("metadata: { generateName: x- }")]
    [InlineData("metadata: { name: {} }")]
    [InlineData("metadata: { name: \"\" }")]
    [InlineData("metadata: { name: x, namespace: [] }")]
    [InlineData("metadata: { name: \"a\\nb\" }")]
    [InlineData("metadata: 3")]
    [InlineData("spec: {}")]
    public void Identity_Unreadable_SkipsTheObjectAndTheFileIsIncomplete(string rest)
    {
        var read = Reading.Of($"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{rest}\n");

        Assert.Empty(read.Resources);
        Assert.False(read.Complete);
        Assert.Contains(read.Findings, finding => finding.Severity == FindingSeverity.Error);
    }

    [Theory]
    [InlineData("extensions/v1beta1")]
    [InlineData("networking.k8s.io/v1beta1")]
    [InlineData("v1")]
    [InlineData("networking.k8s.o/v1")]
    public void ApiVersion_Wrong_ClosesThePolicy(string apiVersion)
    {
        var policy = Reading.One<NetworkPolicy>($"apiVersion: {apiVersion}\nkind: NetworkPolicy\nmetadata: {{ name: x }}\nspec: {{ ingress: [{{}}] }}");

        Assert.Contains("did you mean networking.k8s.io/v1?", policy.Defect, StringComparison.Ordinal);
    }
}
