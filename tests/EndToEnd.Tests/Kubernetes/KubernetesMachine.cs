using System.Text.Json.Nodes;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.EndToEnd.Tests.Kubernetes;

/// <summary>A node with the demo's pods as network namespaces, a real API server that knows them, and agents that read from it.</summary>
public sealed class KubernetesMachine : IAsyncLifetime
{
    private const string Binding = """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: { name: test }
        roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: portcullis }
        subjects: [ { apiGroup: rbac.authorization.k8s.io, kind: User, name: portcullis } ]
        """;

    private readonly string _name = $"pck8s{Guid.NewGuid():N}"[..12];
    private readonly List<AgentProcess> _agents = [];
    private readonly List<AgentFolder> _folders = [];
    private ApiServerProcess? _api;
    private DemoCluster? _cluster;

    /// <summary>Why there is no API server here; null when there is one.</summary>
    internal string? SkipReason { get; private set; }

    internal ApiServerProcess Api => _api!;

    internal DemoCluster Cluster => _cluster!;

    internal DemoScenario Scenario { get; } = DemoScenario.Load(Examples);

    /// <summary>The folder of the demo's policies.</summary>
    internal static string Examples => Path.Combine(Path.GetDirectoryName(Executable.Path)!, "examples", "demo");

    public async ValueTask InitializeAsync()
    {
        Root.RequireBpf();
        (var programs, SkipReason) = await ApiServerPrograms.FindAsync();
        if (programs is null)
        {
            return;
        }

        _cluster = await DemoCluster.CreateAsync(_name, Scenario, IpFamily.IPv4);
        _api = await ApiServerProcess.StartAsync(_cluster.Network.Node, programs);
        await Api.ApplyAsync(DeployedRole() + "---\n" + Binding);
        await Api.SendAsync(HttpMethod.Post, "/api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = "another-ns" } });
        await PatchNamespaceAsync("another-ns", "kubernetes.io/metadata.name", "another-ns");
        foreach (var pod in Scenario.Pods)
        {
            await CreatePodAsync(pod.FullName, pod.Address(IpFamily.IPv4), pod.Name);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAgentsAsync();
        if (_api is not null)
        {
            await _api.DisposeAsync();
        }

        if (_cluster is not null)
        {
            await _cluster.DisposeAsync();
        }
    }

    /// <summary>Starts an agent without waiting for anything.</summary>
    internal AgentProcess LaunchAgent(string settings = "", string policies = "resources", string datapath = "ebpf")
    {
        var instance = $"{_name}{_folders.Count}";
        var folder = new AgentFolder(Path.Combine(Path.GetTempPath(), instance), Scenario.Node.Name, instance, datapath);
        _folders.Add(folder);
        File.WriteAllText(folder.Configuration, $$"""
            source:
              plugin: kubernetes
              kubernetes: { kubeconfig: {{Api.AgentKubeconfig}}, policies: {{policies}} }
            datapath: { plugin: {{datapath}} }
            node: { name: {{Scenario.Node.Name}}, instance: {{instance}} }
            api: { socket: {{folder.Socket}} }
            metrics: { listen: "" }
            {{settings}}
            """);
        var agent = AgentProcess.Start(Executable.Path, Cluster.Network.Node, folder);
        _agents.Add(agent);
        return agent;
    }

    /// <summary>Starts an agent and waits until it is ready.</summary>
    internal async Task<AgentProcess> StartAgentAsync(string settings = "", string datapath = "ebpf")
    {
        var agent = LaunchAgent(settings, datapath: datapath);
        await agent.WaitReadyAsync(TestContext.Current.CancellationToken);
        return agent;
    }

    /// <summary>Ends every agent and removes what it enforces.</summary>
    internal async Task StopAgentsAsync()
    {
        _agents.ForEach(agent => agent.Dispose());
        _agents.Clear();
        foreach (var folder in _folders)
        {
            await Executable.RunAsync(Cluster.Network.Node, "cleanup", "--config", folder.Configuration);
            folder.Dispose();
        }

        _folders.Clear();
    }

    /// <summary>Schedules a pod to the node; its address is not known yet.</summary>
    internal Task SchedulePodAsync(NamespacedName name, string app) => Api.SendAsync(HttpMethod.Post, $"/api/v1/namespaces/{name.Namespace}/pods", new JsonObject
    {
        ["metadata"] = new JsonObject { ["name"] = name.Name, ["labels"] = new JsonObject { ["app"] = app } },
        ["spec"] = new JsonObject
        {
            ["nodeName"] = Scenario.Node.Name,
            ["terminationGracePeriodSeconds"] = 0,
            ["containers"] = new JsonArray(new JsonObject { ["name"] = "app", ["image"] = "example.com/app" }),
        },
    });

    /// <summary>Does what a kubelet does once a pod's network is there.</summary>
    internal Task ReportAddressAsync(NamespacedName name, IpAddress address) => Api.PatchAsync(PathOf(name) + "/status", new JsonObject
    {
        ["status"] = new JsonObject
        {
            ["phase"] = "Running",
            ["podIP"] = address.ToString(),
            ["podIPs"] = new JsonArray(new JsonObject { ["ip"] = address.ToString() }),
        },
    });

    internal async Task CreatePodAsync(NamespacedName name, IpAddress address, string app)
    {
        await SchedulePodAsync(name, app);
        await ReportAddressAsync(name, address);
    }

    internal Task DeletePodAsync(NamespacedName name) =>
        Api.SendAsync(HttpMethod.Delete, PathOf(name) + "?gracePeriodSeconds=0");

    internal Task LabelPodAsync(NamespacedName name, string key, string? value) => Api.PatchAsync(PathOf(name), Labels(key, value));

    internal Task PatchNamespaceAsync(string name, string key, string? value) => Api.PatchAsync($"/api/v1/namespaces/{name}", Labels(key, value));

    /// <summary>Creates or replaces a NetworkPolicy of namespace default.</summary>
    internal Task PutPolicyAsync(string name, string spec) => Api.SendAsync(
        HttpMethod.Patch,
        $"/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/{name}?fieldManager=test&force=true",
        JsonNode.Parse($$$$"""{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"{{{{name}}}}"},"spec":{{{{spec}}}}}""")!.AsObject(),
        "application/apply-patch+yaml");

    internal Task DeletePolicyAsync(string name) =>
        Api.SendAsync(HttpMethod.Delete, $"/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/{name}");

    /// <summary>How a request from one pod to another's port 80 ends.</summary>
    internal Task<ProbeOutcome> ProbeAsync(string from, string to, TimeSpan limit)
    {
        var client = Cluster.Network.Pods.Single(pod => pod.Name.ToString() == from).Network;
        var server = Cluster.Network.Pods.Single(pod => pod.Name.ToString() == to).Address(IpFamily.IPv4);
        return HttpProbe.GetAsync(client, server, 80, limit, TestContext.Current.CancellationToken);
    }

    internal async Task AssertAllowedAsync(string from, string to) =>
        Assert.Equal(ProbeOutcome.Allowed, await ProbeAsync(from, to, Machine.AllowedLimit));

    internal async Task AssertDeniedAsync(string from, string to) =>
        Assert.Equal(ProbeOutcome.Denied, await ProbeAsync(from, to, Machine.DeniedLimit));

    /// <summary>The ClusterRole that a cluster gets.</summary>
    private static string DeployedRole()
    {
        var path = Path.Combine(Path.GetDirectoryName(Executable.Path)!, "..", "..", "deploy", "kubernetes", "base", "rbac.yaml");
        return File.ReadAllText(path).Split("---\n").Single(document => document.Contains("\nkind: ClusterRole\n", StringComparison.Ordinal));
    }

    private static JsonObject Labels(string key, string? value) =>
        new() { ["metadata"] = new JsonObject { ["labels"] = new JsonObject { [key] = value } } };

    private static string PathOf(NamespacedName name) => $"/api/v1/namespaces/{name.Namespace}/pods/{name.Name}";
}
