using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Fake;

namespace Portcullis.Sources.Kubernetes;

/// <summary>EndpointSlices: backends of Services without selector, in whichever version the server has them.</summary>
public sealed class EndpointSliceTests
{
    private const string Beta = "/apis/discovery.k8s.io/v1beta1/endpointslices";

    private const string Kubernetes = """
        {"metadata":{"namespace":"default","name":"kubernetes","labels":{"kubernetes.io/service-name":"kubernetes"}},"addressType":"IPv4",
         "endpoints":[{"addresses":["10.1.0.1","10.1.0.9"],"conditions":{"ready":true}},{"addresses":["10.1.0.2"]},
           {"addresses":["10.1.0.3"],"conditions":{"ready":false}},{"addresses":["10.1.0.4"],"conditions":{"ready":true,"terminating":true}}],
         "ports":[{"name":"https","port":6443,"protocol":"TCP"},{"name":"any"}]}
        """;

    [Fact]
    public async Task Slices_NotManagedForSelectors_AreRead()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.EndpointSlices.Set(Some.Parse(Kubernetes));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        var slice = watch.World.Values.OfType<EndpointSlice>().Single();
        Assert.Equal("kubernetes", slice.Service);
        Assert.Equal([IpAddress.Parse("10.1.0.1"), IpAddress.Parse("10.1.0.2")], slice.Addresses);
        Assert.Equal([new NamedPort("https", IpProtocol.Tcp, 6443)], slice.Ports);
        Assert.Equal(
            "endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io", (await server.EndpointSlices.NextListAsync()).Query["labelSelector"]);
        Assert.Equal(
            "endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io", (await server.EndpointSlices.NextWatchAsync()).Query["labelSelector"]);
    }

    [Fact]
    public async Task Slices_ServedAsBetaOnly_AreRead()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.RemoveKind(server.EndpointSlices);
        server.Kind(Beta).Set(Some.Parse(Kubernetes));

        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        Assert.Empty(watch.Problems);
        Assert.Equal(["kubernetes"], watch.Names);
    }

    [Fact]
    public async Task Slices_ServedInAnotherVersionAfterAnUpgrade_StayKnown()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.RemoveKind(server.EndpointSlices);
        server.Kind(Beta).Set(Some.Parse(Kubernetes));
        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);
        await server.Kind(Beta).NextWatchAsync();

        server.EndpointSlices.Set(Some.Parse(Kubernetes));
        server.RemoveKind(server.Kind(Beta));
        await server.EndpointSlices.NextWatchAsync();
        server.Pods.Set(Some.Pod("marker"));

        await watch.UntilNamesAsync("kubernetes", "marker");
        Assert.DoesNotContain(watch.Batches.SelectMany(batch => batch.Changes), change => change.Resource is null);
    }

    [Fact]
    public async Task Slices_NotServed_HoldNothingBack()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.RemoveKind(server.EndpointSlices);

        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        Assert.Empty(watch.Problems);
        server.EndpointSlices.Set(Some.Parse(Kubernetes));
        await watch.UntilNamesAsync("kubernetes");
    }
}
