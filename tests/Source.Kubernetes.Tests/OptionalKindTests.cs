using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Fake;

namespace Portcullis.Sources.Kubernetes;

/// <summary>ClusterNetworkPolicies: a kind that not every server has.</summary>
public sealed class OptionalKindTests
{
    [Fact]
    public async Task Kind_Absent_DoesNotHoldBackSynced()
    {
        await using var server = await FakeApiServer.StartAsync();

        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        Assert.Empty(watch.Problems);
    }

    [Fact]
    public async Task Kind_AppearsAndGoes_IsNoticed()
    {
        await using var server = await FakeApiServer.StartAsync();
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        server.ClusterNetworkPolicies.Set(Some.ClusterPolicy("admin"));
        await watch.UntilNamesAsync("admin");

        server.RemoveKind(server.ClusterNetworkPolicies);
        await watch.UntilNamesAsync();
    }

    [Fact]
    public async Task Kind_MissingWhileTheServerStarts_KeepsItsObjects()
    {
        await using var server = await FakeApiServer.StartAsync();
        var kind = server.ClusterNetworkPolicies;
        kind.Set(Some.ClusterPolicy("admin"));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        await kind.NextWatchAsync();
        var refusals = 0;
        server.IsReady = false;
        kind.Intercept = async (context, _) =>
        {
            if (++refusals > 3)
            {
                return false;
            }

            await FakeApiServer.RefuseAsync(context, 404, "NotFound", "not yet");
            return true;
        };
        kind.CutWatches();
        await kind.NextWatchAsync();
        await kind.NextWatchAsync();

        server.NetworkPolicies.Set(Some.Policy("marker"));
        await watch.UntilNamesAsync("admin", "marker");
        Assert.DoesNotContain(watch.Batches.SelectMany(batch => batch.Changes), change => change.Resource is null);
    }

    [Fact]
    public async Task Kind_RefusedJustBeforeTheServerWasReady_IsAskedForAgainAtOnce()
    {
        await using var server = await FakeApiServer.StartAsync();
        var kind = server.ClusterNetworkPolicies;
        kind.Set(Some.ClusterPolicy("admin"));
        var isFirst = true;
        kind.Intercept = async (context, _) =>
        {
            if (!isFirst)
            {
                return false;
            }

            isFirst = false;
            await FakeApiServer.RefuseAsync(context, 403, "Forbidden", "no role is known yet");
            return true;
        };

        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        Assert.Equal(["admin"], watch.Names);
        Assert.Empty(watch.Problems);
    }

    [Fact]
    public async Task Kind_Forbidden_IsReportedAndTheRestGoesOn()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.ClusterNetworkPolicies.Intercept = async (context, _) =>
        {
            await FakeApiServer.RefuseAsync(context, 403, "Forbidden", "clusternetworkpolicies is forbidden: User \"x\" cannot list");
            return true;
        };

        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        await watch.UntilProblemAsync("does not let this agent read clusternetworkpolicies: grant list and watch");
        server.Pods.Set(Some.Pod("a"));
        await watch.UntilNamesAsync("a");
    }

    [Fact]
    public async Task Kind_OfAnUnknownVersionOnly_IsReported()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Documents["/apis/policy.networking.k8s.io"] = """{"kind":"APIGroup","versions":[{"groupVersion":"policy.networking.k8s.io/v1beta1","version":"v1beta1"}]}""";
        server.Documents["/apis/policy.networking.k8s.io/v1beta1"] = """{"kind":"APIResourceList","resources":[{"name":"clusternetworkpolicies"}]}""";

        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        await watch.UntilProblemAsync("clusternetworkpolicies: are served only as v1beta1; this agent understands v1alpha2");
    }
}
