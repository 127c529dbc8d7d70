using System.Text;
using Portcullis.Net;

namespace Portcullis.Host.Demo;

/// <summary>The demo's node and pods with the addresses of one family. Every pod serves HTTP on every port that is tried.</summary>
internal sealed class DemoCluster : IAsyncDisposable
{
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(3);

    private readonly DemoScenario _scenario;
    private readonly IpFamily _family;
    private readonly List<HttpResponder> _servers = [];

    private DemoCluster(DemoScenario scenario, IpFamily family, PodNetwork network)
    {
        _scenario = scenario;
        _family = family;
        Network = network;
    }

    /// <summary>The namespaces.</summary>
    public PodNetwork Network { get; }

    /// <summary>Builds it.</summary>
    /// <param name="prefix">What the names of all namespaces start with.</param>
    /// <param name="scenario">Which pods.</param>
    /// <param name="family">Which of their addresses.</param>
    public static async Task<DemoCluster> CreateAsync(string prefix, DemoScenario scenario, IpFamily family)
    {
        var cluster = new DemoCluster(scenario, family, PodNetwork.Create(prefix, scenario.Node.Address(family)));
        try
        {
            foreach (var pod in scenario.Pods)
            {
                var network = cluster.Network.AddPod(pod.FullName, pod.Address(family)).Network;
                foreach (var port in scenario.Targets.Where(target => target.Pod == pod.FullName.ToString()).Select(target => target.Port))
                {
                    cluster._servers.Add(HttpResponder.Start(network, port));
                }
            }

            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>The namespaces and pods as Kubernetes would report them.</summary>
    public string ToManifest()
    {
        var manifest = new StringBuilder();
        foreach (var name in _scenario.Pods.Select(pod => pod.Namespace).Distinct())
        {
            manifest.Append($$"""
                apiVersion: v1
                kind: Namespace
                metadata: { name: {{name}}, labels: { kubernetes.io/metadata.name: {{name}} } }
                ---

                """);
        }

        foreach (var pod in _scenario.Pods)
        {
            manifest.Append($$"""
                apiVersion: v1
                kind: Pod
                metadata: { namespace: {{pod.Namespace}}, name: {{pod.Name}}, labels: { app: {{pod.Name}} } }
                spec: { nodeName: {{_scenario.Node.Name}}, containers: [ { name: app, image: example.com/app } ] }
                status: { phase: Running, podIP: "{{pod.Address(_family)}}", podIPs: [ { ip: "{{pod.Address(_family)}}" } ] }
                ---

                """);
        }

        return manifest.ToString();
    }

    /// <summary>Tries every pair at once.</summary>
    public async Task<IReadOnlyList<DemoProbe>> ProbeAsync(DemoStep step, CancellationToken cancellationToken)
    {
        var probes =
            from pod in _scenario.Pods
            from target in _scenario.Targets.Select((target, i) => (target.Pod, target.Port, Index: i))
            select ProbeAsync(pod, target.Pod, target.Port, step.IsAllowed(pod, target.Index), cancellationToken);
        return await Task.WhenAll(probes);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        Network.Dispose();
    }

    private async Task<DemoProbe> ProbeAsync(DemoPod from, string to, int port, bool isAllowed, CancellationToken cancellationToken)
    {
        var client = Network.Pods.First(pod => pod.Name == from.FullName).Network;
        var server = Network.Pods.First(pod => pod.Name.ToString() == to).Address(_family);
        var observed = await HttpProbe.GetAsync(client, server, port, ProbeLimit, cancellationToken);
        return new DemoProbe(from.FullName.ToString(), to, port, isAllowed ? ProbeOutcome.Allowed : ProbeOutcome.Denied, observed);
    }
}
