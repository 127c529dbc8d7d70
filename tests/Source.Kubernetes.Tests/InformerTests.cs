using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Fake;

namespace Portcullis.Sources.Kubernetes;

/// <summary>The informer against a server that misbehaves.</summary>
public sealed class InformerTests
{
    [Fact]
    public async Task Sync_AllKinds_BecomeResources()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Pods.Set(Some.Pod("a"));
        server.Namespaces.Set(Some.Namespace("default"));
        server.NetworkPolicies.Set(Some.Policy("deny"));
        server.ClusterNetworkPolicies.Set(Some.ClusterPolicy("admin"));
        server.Nodes.Set(Some.Parse("""{"metadata":{"name":"node-a"},"status":{"addresses":[{"type":"InternalIP","address":"10.1.0.1"},{"type":"Hostname","address":"x"}]}}"""));
        server.Services.Set(Some.Parse("""
            {"metadata":{"namespace":"default","name":"svc"},"spec":{"clusterIP":"10.2.0.1","clusterIPs":["10.2.0.1"],"selector":{"app":"web"},
             "ports":[{"name":"web","port":80,"targetPort":"http"},{"port":81,"targetPort":8081,"protocol":"UDP"},{"port":82}]}}
            """));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        Assert.Empty(watch.Problems);
        Assert.Equal(["a", "admin", "default", "deny", "node-a", "svc"], watch.Names);
        var pod = watch.Pod("a");
        Assert.Equal([IpAddress.Parse("10.0.0.1"), IpAddress.Parse("fd00::1")], pod.Addresses);
        Assert.Equal([new NamedPort("http", IpProtocol.Tcp, 8080), new NamedPort("dns", IpProtocol.Udp, 53)], pod.Ports);
        Assert.Equal(("node-a", true, false, LabelSet.Of(("app", "web"))), (pod.NodeName, pod.Ready, pod.Finished, pod.Labels));
        var service = watch.World.Values.OfType<Service>().Single();
        Assert.Equal(
            [new ServicePort(IpProtocol.Tcp, 80, "http") { Name = "web" }, new ServicePort(IpProtocol.Udp, 81, 8081), new ServicePort(IpProtocol.Tcp, 82, 82)],
            service.Ports);
        Assert.Null(watch.World.Values.OfType<NetworkPolicy>().Single().Defect);
        Assert.Null(watch.World.Values.OfType<ClusterNetworkPolicy>().Single().Defect);
    }

    [Fact]
    public async Task Watch_AddedChangedDeleted_IsFollowed()
    {
        await using var server = await FakeApiServer.StartAsync();
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        server.Pods.Set(Some.Pod("a"));
        await watch.UntilNamesAsync("a");
        server.Pods.Set(Some.Pod("a", app: "db"));
        await watch.UntilAsync("the label", () => watch.Pod("a").Labels.Equals(LabelSet.Of(("app", "db"))));
        server.Pods.Delete("default/a");
        await watch.UntilNamesAsync();
    }

    [Fact]
    public async Task Watch_HeartbeatsOnly_TellNothing()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Pods.Set(Some.Pod("a"));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        var accepted = watch.Batches.Sum(batch => batch.Accepted);

        server.Pods.Set(Some.Pod("a"));
        server.Pods.Set(Some.Pod("b"));
        await watch.UntilNamesAsync("a", "b");

        Assert.Equal(accepted + 1, watch.Batches.Sum(batch => batch.Accepted));
    }

    [Fact]
    public async Task Synced_OneKindDoesNotAnswer_IsNotSaid()
    {
        await using var server = await FakeApiServer.StartAsync();
        var release = new TaskCompletionSource();
        server.Services.Intercept = async (_, _) =>
        {
            await release.Task;
            return false;
        };
        server.Pods.Set(Some.Pod("a"));
        await using var watch = new SourceWatch(server.Kubeconfig);
        await watch.UntilNamesAsync("a");

        Assert.False(watch.IsSynced);
        release.SetResult();
        await watch.UntilAsync("synced", () => watch.IsSynced);
    }

    [Fact]
    public async Task List_InPages_DeletesOnlyAfterTheLast()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Pods.PageSize = 2;
        foreach (var name in new[] { "a", "b", "c", "d", "e" })
        {
            server.Pods.Set(Some.Pod(name));
        }

        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        await watch.UntilNamesAsync("a", "b", "c", "d", "e");
        await server.Pods.NextWatchAsync();
        var lastPage = new TaskCompletionSource();
        var reached = new TaskCompletionSource();
        server.Pods.Intercept = async (_, request) =>
        {
            if (request.Query.GetValueOrDefault("continue") == "2")
            {
                reached.TrySetResult();
                await lastPage.Task;
            }

            return false;
        };
        server.Pods.Silently(() => server.Pods.Delete("default/a"));
        server.Pods.SendRaw(Gone);
        await reached.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        server.NetworkPolicies.Set(Some.Policy("marker"));
        await watch.UntilNamesAsync("a", "b", "c", "d", "e", "marker");

        lastPage.SetResult();
        await watch.UntilNamesAsync("b", "c", "d", "e", "marker");
    }

    [Fact]
    public async Task List_GoneInTheMiddle_BeginsAnewAndDeletesNothing()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Pods.PageSize = 1;
        server.Pods.Set(Some.Pod("a"));
        server.Pods.Set(Some.Pod("b"));
        var refused = false;
        server.Pods.Intercept = async (context, request) =>
        {
            if (!request.Query.ContainsKey("continue") || refused)
            {
                return false;
            }

            refused = true;
            await FakeApiServer.RefuseAsync(context, 410, "Expired", "the provided continue parameter is too old");
            return true;
        };
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        Assert.True(refused);
        Assert.Equal(["a", "b"], watch.Names);
        Assert.All(watch.Batches.SelectMany(batch => batch.Changes), change => Assert.NotNull(change.Resource));
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("unreadable")]
    [InlineData("unknown type")]
    [InlineData("no version")]
    [InlineData("wrong type of a field")]
    public async Task Watch_FrameThatMayHideAChange_ListsAnew(string fault)
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Pods.Set(Some.Pod("a"));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        await server.Pods.NextWatchAsync();

        server.Pods.Silently(() =>
        {
            server.Pods.Delete("default/a");
            server.Pods.Set(Some.Pod("b"));
        });
        server.Pods.SendRaw(fault switch
        {
            "gone" => Gone,
            "unreadable" => "{\"type\":\"ADDED\",\"object\":{{}\n",
            "unknown type" => "{\"type\":\"SOMETHING\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n",
            "no version" => "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}\n",
            _ => "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"9\"},\"spec\":[]}}\n",
        });

        await watch.UntilNamesAsync("b");
    }

    [Fact]
    public async Task Watch_RequestAnsweredWithGone_ListsAnew()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Pods.Set(Some.Pod("a"));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        await server.Pods.NextWatchAsync();
        var refused = false;
        server.Pods.Intercept = async (context, request) =>
        {
            if (!request.IsWatch || refused)
            {
                return false;
            }

            refused = true;
            await FakeApiServer.RefuseAsync(context, 410, "Gone", "too old resource version");
            return true;
        };
        server.Pods.Silently(() => server.Pods.Set(Some.Pod("b")));
        server.Pods.CutWatches();

        await watch.UntilNamesAsync("a", "b");
        Assert.True(refused);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Watch_HalfAFrame_IsReadAgainFromTheLastVersion(bool abort)
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Pods.Set(Some.Pod("a"));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        await server.Pods.NextWatchAsync();
        var lists = 0;
        server.Pods.Intercept = (_, request) =>
        {
            lists += request.IsWatch ? 0 : 1;
            return Task.FromResult(false);
        };

        server.Pods.SendRaw("{\"type\":\"ADDED\",\"object\":{\"metad");
        server.Pods.CutWatches(abort);
        server.Pods.Set(Some.Pod("b"));

        await watch.UntilNamesAsync("a", "b");
        Assert.Equal(0, lists);
        Assert.Empty(watch.Problems);
    }

    [Fact]
    public async Task Watch_Bookmark_IsWhereTheNextOneBegins()
    {
        await using var server = await FakeApiServer.StartAsync();
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        var before = await server.Pods.NextWatchAsync();
        server.Pods.Bookmark();
        server.Pods.CutWatches();

        var after = await server.Pods.NextWatchAsync();

        Assert.NotEqual(before.Query["resourceVersion"], after.Query["resourceVersion"]);
        Assert.Equal("true", after.Query["allowWatchBookmarks"]);
        Assert.InRange(int.Parse(after.Query["timeoutSeconds"]), 240, 300);
    }

    [Fact]
    public async Task Watch_Silent_IsMadeAnew()
    {
        var time = new FakeTimeProvider();
        await using var server = await FakeApiServer.StartAsync();
        await using var watch = new SourceWatch(server.Kubeconfig, time);
        server.ClusterNetworkPolicies.Set(Some.ClusterPolicy("x"));
        await watch.UntilAsync("synced", () => watch.IsSynced);
        var first = await server.Pods.NextWatchAsync();
        server.Pods.Set(Some.Pod("a"));
        await watch.UntilNamesAsync("a", "x");

        time.Advance(TimeSpan.FromSeconds(151));

        var second = await server.Pods.NextWatchAsync();
        Assert.NotEqual(first.Query["resourceVersion"], second.Query["resourceVersion"]);
    }

    [Fact]
    public async Task Watch_EndsAtOnceAgainAndAgain_ListsAnew()
    {
        await using var server = await FakeApiServer.StartAsync();
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        server.Pods.Intercept = async (context, request) =>
        {
            if (!request.IsWatch)
            {
                return false;
            }

            await context.Response.CompleteAsync();
            return true;
        };
        server.Pods.Silently(() => server.Pods.Set(Some.Pod("a")));
        server.Pods.CutWatches();

        await watch.UntilNamesAsync("a");
    }

    [Fact]
    public async Task List_ErrorsOfTheServer_AreReportedAndTriedAgain()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Pods.Set(Some.Pod("a"));
        var answers = new Queue<int>([500, 503, 429]);
        server.Pods.Intercept = async (context, _) =>
        {
            if (!answers.TryDequeue(out var code))
            {
                return false;
            }

            context.Response.Headers.RetryAfter = code == 429 ? "1" : default;
            await FakeApiServer.RefuseAsync(context, code, "Trouble", "etcdserver: leader changed");
            return true;
        };
        await using var watch = new SourceWatch(server.Kubeconfig);

        await watch.UntilProblemAsync("answered 500 to a request for pods: etcdserver: leader changed");
        await watch.UntilNamesAsync("a");
        await watch.UntilAsync("no problems", () => watch.Problems.Count == 0 && watch.IsSynced);
    }

    [Fact]
    public async Task Reader_Slow_GetsOneChangeForEachObject()
    {
        await using var server = await FakeApiServer.StartAsync();
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        for (var i = 0; i < 500; i++)
        {
            server.Pods.Set(Some.Pod("a", app: $"v{i}"));
        }

        server.Pods.Set(Some.Pod("z"));
        await watch.UntilNamesAsync("a", "z");

        Assert.Equal(LabelSet.Of(("app", "v499")), watch.Pod("a").Labels);
        Assert.All(watch.Batches, batch => Assert.Equal(batch.Changes.Length, batch.Changes.DistinctBy(change => change.Key).Count()));
    }

    [Fact]
    public async Task Policy_ThatCannotBeEnforced_IsReportedAndClosed()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.NetworkPolicies.Set(Some.Policy("odd", """{"podSelector":{},"policyTypes":["Ingress"],"somethingNew":{}}"""));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        Assert.NotNull(watch.World.Values.OfType<NetworkPolicy>().Single().Defect);
        Assert.Contains(watch.Problems, problem => problem.Object == "NetworkPolicy default/odd");
        server.NetworkPolicies.Delete("default/odd");
        await watch.UntilAsync("no problems", () => watch.Problems.Count == 0);
    }

    private static readonly string Gone =
        $"{{\"type\":\"ERROR\",\"object\":{FakeApiServer.Status(410, "Expired", "too old resource version: 1 (2)")}}}\n";
}
