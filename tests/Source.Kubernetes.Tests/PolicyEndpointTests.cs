using System.Text.Json.Nodes;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources.Kubernetes.Fake;

namespace Portcullis.Sources.Kubernetes;

/// <summary>Policies that the controller of EKS has resolved.</summary>
public sealed class PolicyEndpointTests
{
    private const string Policies = "/apis/networking.k8s.aws/v1alpha1/policyendpoints";
    private const string ClusterPolicies = "/apis/networking.k8s.aws/v1alpha1/clusterpolicyendpoints";

    [Fact]
    public async Task Pods_OfThisNodeOnly_AreAskedFor()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Kind(Policies);
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig, PolicyMode.PolicyEndpoints);

        Assert.Equal("spec.nodeName=node-a", (await server.Pods.NextListAsync()).Query["fieldSelector"]);
        Assert.Equal("spec.nodeName=node-a", (await server.Pods.NextWatchAsync()).Query["fieldSelector"]);
    }

    [Fact]
    public async Task Definition_Missing_KeepsTheSourceFromSyncing()
    {
        await using var server = await FakeApiServer.StartAsync();
        await using var watch = new SourceWatch(server.Kubeconfig, mode: PolicyMode.PolicyEndpoints);

        await watch.UntilProblemAsync("answered 404 to a request for policyendpoints");

        Assert.False(watch.IsSynced);
    }

    [Fact]
    public async Task Policy_InChunks_IsJoinedAndSelectsThePodsItNames()
    {
        await using var server = await FakeApiServer.StartAsync();
        var kind = server.Kind(Policies);
        server.Pods.Set(Some.Pod("web"));
        server.Pods.Set(Some.Pod("other", "10.0.0.2"));
        kind.Set(Part("p-1", """{"podIsolation":["Ingress"],"podSelectorEndpoints":[{"hostIP":"10.1.0.1","podIP":"10.0.0.1","name":"web","namespace":"default"}],"ingress":[{"cidr":"10.0.0.2"}]}"""));
        kind.Set(Part("p-2", """{"podIsolation":["Ingress"],"ingress":[{"cidr":"10.9.0.0/16","except":["10.9.1.0/24"],"ports":[{"protocol":"TCP","port":80},{"protocol":"UDP","port":1000,"endPort":2000}]}]}"""));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig, PolicyMode.PolicyEndpoints);

        var policy = Assert.Single(watch.World.Values.OfType<NetworkPolicy>());
        Assert.Equal(("default", "allow", PolicyTypes.Ingress), (policy.Namespace, policy.Name, policy.Types));
        Assert.Equal(2, policy.Ingress.Count);
        var block = policy.Ingress[1].Peers[0].IpBlock!;
        Assert.Equal((IpPrefix.Parse("10.9.0.0/16"), IpPrefix.Parse("10.9.1.0/24")), (block.Cidr, block.Except[0]));
        Assert.Equal(
            [new NetworkPolicyPort(IpProtocol.Tcp, 80, null), new NetworkPolicyPort(IpProtocol.Udp, 1000, 2000)],
            policy.Ingress[1].Ports);
        Assert.Equal([false, true], Isolated(watch).OrderBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => entry.Value));

        kind.Delete("default/p-2");
        await watch.UntilAsync("one rule", () => watch.World.Values.OfType<NetworkPolicy>().Single().Ingress.Count == 1);
        kind.Delete("default/p-1");
        await watch.UntilAsync("no policy", () => !watch.World.Values.OfType<NetworkPolicy>().Any());
    }

    [Fact]
    public async Task Rule_WithADomainName_IsReportedAndAllowsNothing()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Kind(Policies).Set(Part("p-1", """{"podIsolation":["Egress"],"egress":[{"domainName":"example.com"},{"cidr":"10.0.0.0/33"},{"cidr":"10.0.0.2/32"}]}"""));
        server.Kind(ClusterPolicies).Set(Some.Parse("""
            {"metadata":{"name":"c-1"},"spec":{"policyRef":{"name":"admin"},"tier":"Admin","priority":5,"podSelectorEndpoints":[{"name":"web","namespace":"default"}],
             "egress":[{"action":"Accept","domainName":"example.com"},{"action":"Deny","cidr":"10.0.0.0/8","ports":[{"protocol":"TCP","port":443}]}],
             "ingress":[{"action":"Deny","cidr":"10.0.0.2/32"}]}}
            """));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig, PolicyMode.PolicyEndpoints);

        await watch.UntilProblemAsync("the rule for domainName example.com is not enforced");
        await watch.UntilProblemAsync("'10.0.0.0/33' is no address block");
        Assert.Single(watch.World.Values.OfType<NetworkPolicy>().Single().Egress);
        var cluster = watch.World.Values.OfType<ClusterNetworkPolicy>().Single();
        Assert.Equal((PolicyTier.Admin, 5, "admin"), (cluster.Tier, cluster.Priority, cluster.Name));
        Assert.NotNull(cluster.Egress[0].Defect);
        Assert.Equal((RuleAction.Deny, null), (cluster.Egress[1].Action, cluster.Egress[1].Defect));
        Assert.Equal([new ClusterPolicyPort(IpProtocol.Tcp, 443, 443)], cluster.Egress[1].Ports!.Value);
        Assert.Null(cluster.Ingress[0].Defect);
    }

    private static Dictionary<string, bool> Isolated(SourceWatch watch)
    {
        var compiler = new PolicyCompiler(new PolicyOptions { NodeName = "node-a" });
        compiler.Apply(watch.World.Values.Select(ResourceChange.Upsert).ToArray());
        return compiler.Flush(1).Endpoints.ToDictionary(endpoint => endpoint.Workload.Name, endpoint => endpoint.Ingress is not null);
    }

    private static JsonObject Part(string name, string spec)
    {
        var part = Some.Parse($$$$"""{"metadata":{"namespace":"default","name":"{{{{name}}}}"},"spec":{{{{spec}}}}}""");
        part["spec"]!["policyRef"] = new JsonObject { ["namespace"] = "default", ["name"] = "allow" };
        return part;
    }
}
