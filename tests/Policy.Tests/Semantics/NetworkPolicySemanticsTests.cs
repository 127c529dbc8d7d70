using Portcullis.Net;
using Portcullis.Policy.Tests.Support;
using Portcullis.Resources;
using Xunit;
using static Portcullis.Policy.Tests.Support.Cluster;

namespace Portcullis.Policy.Tests.Semantics;

/// <summary>What a NetworkPolicy means, line by line, both families where a family matters.</summary>
public sealed class NetworkPolicySemanticsTests
{
    private const string Web = "10.0.0.1";
    private const string Web6 = "fd00::1";
    private const string One = "10.0.0.2";
    private const string One6 = "fd00::2";
    private const string Two = "10.0.0.3";
    private const string Foreign = "10.0.1.1";

    private static readonly LabelSelector WebPods = Has("app", "web");
    private static readonly LabelSelector All = LabelSelector.Everything;

    private static Resource[] Pods =>
    [
        Pod("web", $"{Web} {Web6}", ("app", "web")) with { Ports = [new("http", IpProtocol.Tcp, 80), new("http", IpProtocol.Tcp, 8080), new("dns", IpProtocol.Udp, 53)] },
        Pod("one", $"{One} {One6}", ("app", "one")) with { Ports = [new("http", IpProtocol.Tcp, 8000)] },
        Pod("two", Two, ("app", "two")),
        Pod("another-ns/foreign", Foreign, ("app", "one")),
        new Namespace { Name = "another-ns", Labels = LabelSet.Of(("team", "b")) },
    ];

    private static Cluster With(params NetworkPolicy[] policies) => new([.. Pods, .. policies]);

    [Fact]
    public void Isolation_SelectedPod_OnlyWhatSomeRuleAllows()
    {
        var cluster = With(
            Ingress("a", WebPods, Allow([Pods(Has("app", "one"))])),
            Ingress("b", WebPods, Allow([Pods(Has("app", "two"))], Port(80))));

        Assert.True(cluster.Passes(One, Web, 443));
        Assert.True(cluster.Passes(One6, Web6, 443));
        Assert.True(cluster.Passes(Two, Web));
        Assert.False(cluster.Passes(Two, Web, 443));
        Assert.False(cluster.Passes(Foreign, Web));
        Assert.True(cluster.Passes(Web, One));
        Assert.True(cluster.Passes(Foreign, Two));
    }

    [Theory]
    [InlineData(PolicyTypes.None, false, true)]
    [InlineData(PolicyTypes.Egress, true, false)]
    [InlineData(PolicyTypes.Ingress | PolicyTypes.Egress, false, false)]
    public void PolicyTypes_NoRules_IsolateWhatTheySay(PolicyTypes types, bool ingress, bool egress)
    {
        var cluster = With(new NetworkPolicy { Namespace = "default", Name = "p", PodSelector = WebPods, Types = types });

        Assert.Equal(ingress, cluster.Passes(One, Web));
        Assert.Equal(egress, cluster.Passes(Web, One));
    }

    [Fact]
    public void PolicyTypes_AbsentWithEgressRule_IsolateBoth()
    {
        var cluster = With(new NetworkPolicy { Namespace = "default", Name = "p", PodSelector = WebPods, Egress = [Allow([Pods(Has("app", "one"))])] });

        Assert.True(cluster.Passes(Web, One));
        Assert.False(cluster.Passes(Web, Two));
        Assert.False(cluster.Passes(One, Web));
    }

    [Fact]
    public void Peers_Empty_MeanEveryPeer()
    {
        var cluster = With(Ingress("p", WebPods, Allow([])));

        Assert.True(cluster.Passes(One, Web));
        Assert.True(cluster.Passes("192.0.2.1", Web));
        Assert.True(cluster.Passes("2001:db8::1", Web6, Icmp));
        Assert.False(With(Ingress("p", WebPods)).Passes(One, Web));
    }

    [Fact]
    public void Peer_SelectorsTogetherOrApart_AreAndOrOr()
    {
        var both = With(Ingress("p", WebPods, Allow([Pods(Has("app", "one"), Has("team", "b"))])));
        Assert.True(both.Passes(Foreign, Web));
        Assert.False(both.Passes(One, Web));

        var either = With(Ingress("p", WebPods, Allow([Pods(Has("app", "one")), Pods(null, Has("team", "b"))])));
        Assert.True(either.Passes(Foreign, Web));
        Assert.True(either.Passes(One, Web));
        Assert.False(either.Passes(Two, Web));

        Assert.True(With(Ingress("p", WebPods, Allow([Pods(null, All)]))).Passes(Foreign, Web));
        Assert.False(With(Ingress("p", WebPods, Allow([Pods(All)]))).Passes(Foreign, Web));
    }

    [Theory]
    [InlineData(LabelOperator.In, "one", true, false)]
    [InlineData(LabelOperator.NotIn, "one", false, true)]
    [InlineData(LabelOperator.Exists, null, true, true)]
    [InlineData(LabelOperator.DoesNotExist, null, false, false)]
    public void MatchExpressions_OnPods_MatchAsUpstream(LabelOperator operation, string? value, bool one, bool two)
    {
        string[] values = value is null ? [] : [value];
        var cluster = With(Ingress("p", WebPods, Allow([Pods(Where("app", operation, values))])));

        Assert.Equal(one, cluster.Passes(One, Web));
        Assert.Equal(two, cluster.Passes(Two, Web));
    }

    [Fact]
    public void NotIn_LabelAbsent_Matches() =>
        Assert.True(With(Ingress("p", WebPods, Allow([Pods(Where("color", LabelOperator.NotIn, "red"))]))).Passes(One, Web));

    [Fact]
    public void Namespace_WithoutObject_HasItsNameAsLabel()
    {
        var cluster = With(Ingress("p", WebPods, Allow([Pods(null, Has(Namespace.NameLabel, "implied"))])))
            .Put(Pod("implied/x", "10.0.2.1"));

        Assert.True(cluster.Passes("10.0.2.1", Web));
        Assert.False(cluster.Passes(Foreign, Web));
    }

    [Fact]
    public void Ports_OfARule_BindProtocolAndRange()
    {
        var cluster = With(Ingress("p", WebPods, Allow([], Port(80), Port(100, IpProtocol.Udp, 200), new NetworkPolicyPort(IpProtocol.Sctp, null, null))));

        Assert.True(cluster.Passes(One, Web));
        Assert.False(cluster.Passes(One, Web, 80, IpProtocol.Udp));
        Assert.True(cluster.Passes(One, Web, 100, IpProtocol.Udp));
        Assert.True(cluster.Passes(One, Web, 200, IpProtocol.Udp));
        Assert.False(cluster.Passes(One, Web, 201, IpProtocol.Udp));
        Assert.True(cluster.Passes(One, Web, 9, IpProtocol.Sctp));
        Assert.False(cluster.Passes(One, Web, Icmp));
        Assert.False(With(Ingress("p", WebPods, Allow([], Port(80, IpProtocol.Sctp)))).Passes(One, Web));
    }

    [Fact]
    public void NamedPort_OnIngress_IsTheSelectedPodsOwn()
    {
        var cluster = With(Ingress("p", All, Allow([], Port("http"))));

        Assert.True(cluster.Passes(Two, Web, 80));
        Assert.True(cluster.Passes(Two, Web, 8080));
        Assert.False(cluster.Passes(Two, Web, 8000));
        Assert.True(cluster.Passes(Two, One, 8000));
        Assert.False(cluster.Passes(One, Two, 80));
        Assert.False(With(Ingress("p", All, Allow([], Port("dns")))).Passes(One, Web, 53));
        Assert.True(With(Ingress("p", All, Allow([], Port("dns", IpProtocol.Udp)))).Passes(One, Web, 53, IpProtocol.Udp));
    }

    [Fact]
    public void NamedPort_OnEgress_IsEachDestinationsOwn()
    {
        var cluster = With(Egress("p", Has("app", "two"), Allow([Pods(All)], Port("http"))));

        Assert.True(cluster.Passes(Two, Web, 8080));
        Assert.False(cluster.Passes(Two, Web, 8000));
        Assert.True(cluster.Passes(Two, One, 8000));
        Assert.False(cluster.Passes(Two, Foreign, 8000));
        cluster.Put(Pod("one", One, ("app", "one")) with { Ports = [new("http", IpProtocol.Tcp, 9000)] });
        Assert.True(cluster.Passes(Two, One, 9000));
        Assert.False(cluster.Passes(Two, One, 8000));

        var otherProtocol = With(Egress("p", Has("app", "two"), Allow([Pods(All)], Port("http", IpProtocol.Udp))));
        Assert.False(otherProtocol.Passes(Two, Web, 8080));
        Assert.False(otherProtocol.Passes(Two, Web, 8080, IpProtocol.Udp));

        var byBlock = With(Egress("p", Has("app", "two"), Allow([Block("10.0.0.0/31")], Port("http"))));
        Assert.True(byBlock.Passes(Two, Web, 80));
        Assert.False(byBlock.Passes(Two, One, 8000));
    }

    [Fact]
    public void IpBlock_Except_AffectsOnlyItsOwnPeer()
    {
        var cluster = With(Egress("p", WebPods, Allow([Block("10.0.0.0/8", "10.0.0.0/24"), Block("10.0.0.2/32")])));

        Assert.True(cluster.Passes(Web, One));
        Assert.False(cluster.Passes(Web, Two));
        Assert.True(cluster.Passes(Web, Foreign));
        Assert.False(cluster.Passes(Web6, One6));
    }

    [Fact]
    public void IpBlock_HostBits_StandForTheNetwork() =>
        Assert.True(With(Egress("p", WebPods, Allow([Block("10.0.0.77/24")]))).Passes(Web, One));

    [Fact]
    public void Rule_SelectingNobody_IsolatesAllTheSame() =>
        Assert.False(With(Ingress("p", WebPods, Allow([Pods(Has("app", "nobody"))]))).Passes(One, Web));

    [Fact]
    public void OwnNode_Always_Passes()
    {
        var node = new Node { Name = "n1", Addresses = [IpAddress.Parse("192.168.0.1"), IpAddress.Parse("fe80::1")] };
        var deny = new NetworkPolicy { Namespace = "default", Name = "p", Types = PolicyTypes.Ingress | PolicyTypes.Egress };
        var cluster = new Cluster(
            new PolicyOptions { NodeName = "n1", NodeAddresses = [IpAddress.Parse("172.16.0.1")] }, [.. Pods, node, deny]);

        foreach (var (pod, address) in new[] { (Web, "192.168.0.1"), (Web6, "fe80::1"), (Web, "172.16.0.1") })
        {
            Assert.True(cluster.Passes(address, pod));
            Assert.True(cluster.Passes(pod, address));
        }

        Assert.False(cluster.Passes("192.168.0.2", Web));
        cluster.Put(node with { Addresses = [IpAddress.Parse("192.168.0.2")] });
        Assert.True(cluster.Passes("192.168.0.2", Web));
        Assert.False(cluster.Passes("192.168.0.1", Web));
    }

    [Fact]
    public void OwnNode_SideSelf_HasNoExemption()
    {
        var options = new PolicyOptions { NodeName = "n1", NodeAddresses = [IpAddress.Parse("192.168.0.1")] };
        var self = Pod("machine", Web, ("app", "web")) with { Side = InterfaceSide.Self };

        Assert.False(new Cluster(options, self, Ingress("p", WebPods)).Passes("192.168.0.1", Web));
    }

    [Fact]
    public void Self_ByOwnAddressOrService_Passes()
    {
        var cluster = With(new NetworkPolicy { Namespace = "default", Name = "p", PodSelector = WebPods, Types = PolicyTypes.Ingress | PolicyTypes.Egress });
        Assert.True(cluster.Passes(Web, Web));
        Assert.True(cluster.Passes(Web6, Web6));

        cluster.Put(ServiceFor("web", ("app", "web")));
        Assert.True(cluster.Judge(Direction.Egress, Web, "10.96.0.1", Tcp80).Allowed);
        cluster.Put(ServiceFor("web", ("app", "one")));
        Assert.False(cluster.Judge(Direction.Egress, Web, "10.96.0.1", Tcp80).Allowed);
    }

    [Fact]
    public void HostNetwork_Pod_IsNeitherSubjectNorPeer()
    {
        var host = Pod("host", "192.168.0.9", ("app", "one")) with { HostNetwork = true, Ports = [new("http", IpProtocol.Tcp, 80)] };
        var cluster = With(Ingress("p", WebPods, Allow([Pods(Has("app", "one"))])), Egress("q", All, Allow([Pods(All)], Port("http")))).Put(host);

        Assert.False(cluster.Passes("192.168.0.9", Web));
        Assert.False(cluster.Passes(Two, "192.168.0.9"));
        Assert.DoesNotContain(cluster.Compiled.World.Endpoints.Keys, name => name.Name == "host");
    }

    [Fact]
    public void Address_OfFinishedOrOlderPod_BelongsToTheLiveYoungest()
    {
        var old = Pod("old", "10.0.0.9", ("app", "one")) with { CreatedAt = DateTimeOffset.UnixEpoch };
        var young = Pod("young", "10.0.0.9", ("app", "two")) with { CreatedAt = DateTimeOffset.UnixEpoch.AddHours(1) };
        var cluster = With(Ingress("p", WebPods, Allow([Pods(Has("app", "one"))]))).Put(old);
        Assert.True(cluster.Passes("10.0.0.9", Web));

        cluster.Put(young);
        Assert.False(cluster.Passes("10.0.0.9", Web));
        cluster.Put(young with { Finished = true });
        Assert.True(cluster.Passes("10.0.0.9", Web));
        cluster.Put(young).Delete(young);
        Assert.True(cluster.Passes("10.0.0.9", Web));
        cluster.Put(old with { Ready = false });
        Assert.True(cluster.Passes("10.0.0.9", Web));
    }

    [Fact]
    public void Labels_OfPodOrNamespace_AreFollowedAtOnce()
    {
        var cluster = With(Ingress("p", WebPods, Allow([Pods(Has("app", "one"), Has("team", "b"))])));
        Assert.True(cluster.Passes(Foreign, Web));

        cluster.Put(new Namespace { Name = "another-ns", Labels = LabelSet.Of(("team", "c")) });
        Assert.False(cluster.Passes(Foreign, Web));
        cluster.Put(new Namespace { Name = "another-ns", Labels = LabelSet.Of(("team", "b")) });
        Assert.True(cluster.Passes(Foreign, Web));
        cluster.Put(Pod("another-ns/foreign", Foreign, ("app", "two")));
        Assert.False(cluster.Passes(Foreign, Web));
        cluster.Put(Pod("web", Web));
        Assert.True(cluster.Passes(Foreign, Web));
    }

    [Fact]
    public void Policy_DeletedAndRecreated_IsTheNewOne()
    {
        var first = Ingress("p", WebPods) with { Uid = "1" };
        var cluster = With(first);
        Assert.False(cluster.Passes(One, Web));

        cluster.Delete(first);
        Assert.True(cluster.Passes(One, Web));
        cluster.Put(Ingress("p", Has("app", "two")) with { Uid = "2" });
        Assert.True(cluster.Passes(One, Web));
        Assert.False(cluster.Passes(One, Two));
    }

    [Fact]
    public void ClusterIp_OnEgress_IsAsItsReadyBackends()
    {
        var cluster = With(Egress("p", Has("app", "two"), Allow([Pods(Has("app", "web"))], Port(8080))))
            .Put(ServiceFor("web", ("app", "web")) with { Ports = [new ServicePort(IpProtocol.Tcp, 80, (ushort)8080), new ServicePort(IpProtocol.Tcp, 81, (ushort)81)] });
        bool Allowed(int port) => cluster.Judge(Direction.Egress, Two, "10.96.0.1", new(IpProtocol.Tcp, (ushort)port)).Allowed;

        Assert.True(Allowed(80));
        Assert.False(Allowed(81));
        Assert.False(Allowed(8080));
        cluster.Put((Workload)Pods[0] with { Ready = false });
        Assert.False(Allowed(80));
        cluster.Put((Workload)Pods[0] with { Finished = true });
        Assert.False(Allowed(80));
        cluster.Put(Pods[0]);
        Assert.True(Allowed(80));
        Assert.True(cluster.Judge(Direction.Egress, Two, "fd96::1", Tcp80).Allowed);
    }

    [Fact]
    public void ClusterIp_InBlocks_NeitherAddsNorTakes()
    {
        var service = ServiceFor("web", ("app", "web"));
        var onlyClusterIp = With(Egress("p", Has("app", "two"), Allow([Block("10.96.0.0/12")]))).Put(service);
        Assert.False(onlyClusterIp.Judge(Direction.Egress, Two, "10.96.0.1", Tcp80).Allowed);

        var butClusterIp = With(Egress("p", Has("app", "two"), Allow([Block("10.0.0.0/8", "10.96.0.0/12")]))).Put(service);
        Assert.True(butClusterIp.Judge(Direction.Egress, Two, "10.96.0.1", Tcp80).Allowed);

        var headless = With(Egress("p", Has("app", "two"), Allow([Pods(All)]))).Put(service with { ClusterIps = [] });
        Assert.False(headless.Judge(Direction.Egress, Two, "10.96.0.1", Tcp80).Allowed);
    }

    [Fact]
    public void ClusterIp_WithoutSelector_IsAsItsSlicesSay()
    {
        var slice = new EndpointSlice
        {
            Namespace = "default",
            Name = "kubernetes",
            Service = "kubernetes",
            Addresses = [IpAddress.Parse("192.168.7.1"), IpAddress.Parse("192.168.7.2")],
            Ports = [new NamedPort("https", IpProtocol.Tcp, 6443)],
        };
        var service = ServiceFor("kubernetes", ("app", "none")) with
        {
            Selector = null,
            Ports = [new ServicePort(IpProtocol.Tcp, 443, "https") { Name = "https" }, new ServicePort(IpProtocol.Tcp, 80, (ushort)6443)],
        };
        var policy = Egress("p", Has("app", "two"), Allow([Block("192.168.7.2/32")], Port(6443)));
        var cluster = With(policy).Put(service);
        bool Allowed(int port, IpProtocol protocol = IpProtocol.Tcp) =>
            cluster.Judge(Direction.Egress, Two, "10.96.0.1", new(protocol, (ushort)port)).Allowed;

        Assert.False(Allowed(443));
        cluster.Put(slice);
        Assert.True(Allowed(443));
        Assert.False(Allowed(80), "a port of the Service that no slice names");
        Assert.False(Allowed(6443), "the target port at the cluster IP");
        Assert.False(Allowed(443, IpProtocol.Udp));
        Assert.False(cluster.Judge(Direction.Egress, Two, "fd96::1", new(IpProtocol.Tcp, 443)).Allowed, "no backend of this family");

        cluster.Put(slice with { Addresses = [IpAddress.Parse("192.168.7.1")] });
        Assert.False(Allowed(443));
        cluster.Put(policy with { Egress = [Allow([Block("0.0.0.0/0")])] });
        Assert.True(Allowed(443));
        cluster.Put(slice with { Service = "other" });
        Assert.False(Allowed(443));
        cluster.Put(slice);
        cluster.Put(service with { Selector = LabelSet.Of(("app", "nobody")) });
        Assert.False(Allowed(443), "a selector makes slices count for nothing");
        cluster.Put(service);
        Assert.True(Allowed(443));
        cluster.Delete(slice);
        Assert.False(Allowed(443));
    }

    [Fact]
    public void ClusterIp_WhoseSliceNamesAPod_IsAsThePod()
    {
        var slice = new EndpointSlice
        {
            Namespace = "default",
            Name = "s",
            Service = "s",
            Addresses = [IpAddress.Parse(Web)],
            Ports = [new NamedPort(string.Empty, IpProtocol.Tcp, 8080)],
        };
        var service = ServiceFor("s", ("app", "none")) with { Selector = null, Ports = [new ServicePort(IpProtocol.Tcp, 80, "x")] };
        var cluster = With(
            Egress("two", Has("app", "two"), Allow([Pods(Has("app", "web"))])),
            Egress("web", WebPods)).Put(service, slice);

        Assert.True(cluster.Judge(Direction.Egress, Two, "10.96.0.1", Tcp80).Allowed);
        Assert.True(cluster.Judge(Direction.Egress, Web, "10.96.0.1", Tcp80).Allowed, "a pod reaches itself through a Service");

        cluster.Delete(Pods[0]);
        Assert.False(cluster.Judge(Direction.Egress, Two, "10.96.0.1", Tcp80).Allowed, "nobody's address");
        cluster.Put(Pods[0]);
        Assert.True(cluster.Judge(Direction.Egress, Two, "10.96.0.1", Tcp80).Allowed);
        Assert.True(cluster.Judge(Direction.Egress, Web, "10.96.0.1", Tcp80).Allowed);
    }

    [Fact]
    public void Audit_Policy_ChangesNoVerdictAndIsReported()
    {
        var cluster = With(Ingress("p", WebPods) with { Audit = true }, Ingress("q", Has("app", "one")), Ingress("r", Has("app", "one"), Allow([])) with { Audit = true });

        var verdict = cluster.Judge(Direction.Ingress, Web, One, Tcp80);
        Assert.True(verdict.Allowed);
        Assert.Equal("p", verdict.AuditDeniedBy?.Policy.Name);
        Assert.False(cluster.Judge(Direction.Ingress, One, Web, Tcp80).Allowed);
        Assert.Null(cluster.Judge(Direction.Ingress, Two, Web, Tcp80).AuditDeniedBy);
    }

    [Fact]
    public void Mode_StrictOrAudit_AppliesToEveryPod()
    {
        var strict = new Cluster(new PolicyOptions { Mode = EnforcementMode.Strict }, [.. Pods, Ingress("p", WebPods, Allow([]))]);
        Assert.False(strict.Passes(One, Two));
        Assert.True(strict.Judge(Direction.Ingress, Web, One, Tcp80).Allowed);
        Assert.False(strict.Judge(Direction.Egress, One, Web, Tcp80).Allowed);
        Assert.NotNull(strict.Compiled.Compiler.UnknownInterfaceRules);

        var audit = new Cluster(new PolicyOptions { Mode = EnforcementMode.Audit }, [.. Pods, Ingress("p", WebPods)]);
        Assert.True(audit.Passes(One, Web));
        Assert.Equal("p", audit.Judge(Direction.Ingress, Web, One, Tcp80).AuditDeniedBy?.Policy.Name);
        Assert.Null(audit.Compiled.Compiler.UnknownInterfaceRules);
    }

    [Fact]
    public void Defective_Policy_IsolatesClosed()
    {
        var cluster = With(Ingress("p", WebPods) with { Defect = "ingress is not a list" }, Ingress("q", WebPods, Allow([Pods(Has("app", "one"))])));

        Assert.False(cluster.Passes(Two, Web));
        Assert.True(cluster.Passes(One, Web));
    }

    private static Service ServiceFor(string name, (string Key, string Value) label) => new()
    {
        Namespace = "default",
        Name = name,
        ClusterIps = [IpAddress.Parse("10.96.0.1"), IpAddress.Parse("fd96::1")],
        Ports = [new ServicePort(IpProtocol.Tcp, 80, "http")],
        Selector = LabelSet.Of(label),
    };
}
