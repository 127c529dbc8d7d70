using Portcullis.Net;
using Portcullis.Policy.Compiler;
using Portcullis.Policy.Tests.Support;
using Portcullis.Resources;
using Portcullis.Sources;
using Xunit;
using static Portcullis.Policy.Tests.Support.Cluster;

namespace Portcullis.Policy.Tests.Compiler;

public sealed class PolicyCompilerTests
{
    private static readonly Workload Web = Pod("web", "10.0.0.1", ("app", "web"));

    [Fact]
    public void Flush_PodJoinsAPeerSet_IsOnePrefixAndNothingElse()
    {
        var compiled = Compiled.From(new PolicyOptions { NodeName = "here" }, [Web, Ingress("p", Has("app", "web"), Allow([Pods(Has("app", "client"))]))]);

        var set = compiled.Apply(ResourceChange.Upsert(Pod("client", "10.0.0.2", ("app", "client")) with { NodeName = "elsewhere" }));

        var delta = Assert.Single(set.PeerSets);
        Assert.Equal([IpPrefix.Parse("10.0.0.2/32")], delta.Added);
        Assert.Equal("pods with app=client in namespace default", delta.Description);
        Assert.Empty(set.RuleSets);
        Assert.Empty(set.Endpoints);
    }

    [Fact]
    public void Flush_PolicyChanged_RepointsEndpointsToANewRuleSet()
    {
        var policy = Ingress("p", LabelSelector.Everything, Allow([], Port(80)));
        var compiled = Compiled.From(new PolicyOptions(), [Web, Pod("other", "10.0.0.2"), policy]);

        var set = compiled.Apply(ResourceChange.Upsert(policy with { Ingress = [Allow([], Port(81))] }));

        var rules = Assert.Single(set.RuleSets);
        Assert.Single(set.RemovedRuleSets);
        Assert.Empty(set.PeerSets);
        Assert.Equal(2, set.Endpoints.Length);
        Assert.All(set.Endpoints, endpoint => Assert.Equal(rules.Id, endpoint.Ingress));
    }

    [Fact]
    public void Flush_OnlyEgressChanged_KeepsTheIngressRuleSet()
    {
        var policy = new NetworkPolicy { Namespace = "default", Name = "p", Types = PolicyTypes.Ingress | PolicyTypes.Egress };
        var compiled = Compiled.From(new PolicyOptions(), [Web, policy]);

        var set = compiled.Apply(ResourceChange.Upsert(policy with { Egress = [Allow([])] }));

        Assert.Equal(Direction.Egress, Assert.Single(set.RuleSets).Direction);
    }

    [Fact]
    public void Endpoints_OfThisNodeOrInterface_EvenBeforeTheyHaveAddresses_OthersAreOnlyPeers()
    {
        var compiled = Compiled.From(
            new PolicyOptions { NodeName = "here" },
            [
                Pod("here", "10.0.0.1") with { NodeName = "here" }, Pod("there", "10.0.0.2") with { NodeName = "there" }, Pod("file", "10.0.0.3"),
                Pod("unaddressed", "") with { NodeName = "here" }, Pod("nowhere", ""), Pod("named", "") with { NodeName = "here", Interface = "eni1" },
            ]);

        Assert.Equal(["file", "here", "named", "unaddressed"], compiled.World.Endpoints.Keys.Select(name => name.Name).Order());
    }

    [Fact]
    public void Rules_EqualForManyPods_AreShared()
    {
        var resources = Enumerable.Range(1, 50).Select(number => (Resource)Pod($"pod-{number}", $"10.0.0.{number}", ("app", "web")));
        var compiled = Compiled.From(new PolicyOptions(), [.. resources, Ingress("p", Has("app", "web"), Allow([Pods(LabelSelector.Everything)]))]);

        Assert.Single(compiled.World.RuleSets);
        Assert.Equal(new CompilerMetrics(50, 1, 2, 1, 2), compiled.Compiler.Metrics);
    }

    [Fact]
    public void NodeAddresses_LearntAtRunTime_AreADeltaOfOneSet()
    {
        var compiled = Compiled.From(new PolicyOptions { NodeName = "here" }, [Web, Ingress("p", LabelSelector.Everything)]);

        compiled.Compiler.SetNodeAddresses([IpAddress.Parse("192.168.0.1"), IpAddress.Parse("fe80::1")]);
        var set = compiled.Apply();

        Assert.Equal(2, Assert.Single(set.PeerSets).Added.Length);
        Assert.Empty(set.RuleSets);
        compiled.Compiler.SetNodeAddresses([IpAddress.Parse("fe80::1"), IpAddress.Parse("192.168.0.1")]);
        Assert.True(compiled.Apply().IsEmpty);
    }
}
