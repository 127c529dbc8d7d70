using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>A node of its own with the pods <c>default/client</c> and <c>default/server</c>, both families, and an agent's folder.</summary>
internal sealed class Machine : IAsyncDisposable
{
    /// <summary>How long a connection that must fail is given.</summary>
    public static readonly TimeSpan DeniedLimit = TimeSpan.FromMilliseconds(700);

    /// <summary>How long one that must succeed is given.</summary>
    public static readonly TimeSpan AllowedLimit = TimeSpan.FromSeconds(5);

    private const int HttpPort = 80;
    private const int UdpPort = 53;

    private readonly List<IAsyncDisposable> _servers = [];
    private readonly List<AgentProcess> _agents = [];
    private readonly List<AgentFolder> _folders = [];
    private readonly string _name = $"pce2e{Guid.NewGuid():N}"[..12];

    public Machine()
    {
        Root.RequireBpf();
        Network = PodNetwork.Create(_name, IpAddress.Parse("10.213.0.1"), IpAddress.Parse("fd00:213::1"));
        Client = Network.AddPod(new("default", "client"), IpAddress.Parse("10.213.0.2"), IpAddress.Parse("fd00:213::2"));
        Server = Network.AddPod(new("default", "server"), IpAddress.Parse("10.213.0.3"), IpAddress.Parse("fd00:213::3"));
        Serve(Server);
        Folder = AddFolder(string.Empty);
        Folder.Put("pods.yaml", PodManifest(Client) + PodManifest(Server));
    }

    public PodNetwork Network { get; }

    public NetworkPod Client { get; }

    public NetworkPod Server { get; }

    public AgentFolder Folder { get; }

    /// <summary>What tells this machine's kernel objects apart.</summary>
    public string Instance => _name;

    /// <summary>A policy for <c>default/server</c> that isolates it; <paramref name="rules"/> is YAML below <c>spec</c>.</summary>
    public static string ServerPolicy(string name, string rules = "") => $$"""
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: { namespace: default, name: {{name}} }
        spec:
          podSelector: { matchLabels: { app: server } }
          policyTypes: [Ingress]
          {{rules}}
        """;

    /// <summary>A pod's manifest, with its name as label <c>app</c>.</summary>
    public static string PodManifest(NetworkPod pod) => PodManifest(pod.Name, pod.Addresses);

    /// <summary>A pod's manifest, with its name as label <c>app</c>.</summary>
    public static string PodManifest(NamespacedName name, IEnumerable<IpAddress> addresses) => $$"""
        apiVersion: v1
        kind: Pod
        metadata: { namespace: {{name.Namespace}}, name: {{name.Name}}, labels: { app: {{name.Name}} } }
        spec: { containers: [ { name: app, image: example.com/app } ] }
        status: { phase: Running, podIPs: [{{string.Join(", ", addresses.Select(address => $"{{ ip: \"{address}\" }}"))}}] }
        ---

        """;

    /// <summary>Makes the folder of one more agent.</summary>
    public AgentFolder AddFolder(string suffix, string datapath = "ebpf")
    {
        var folder = new AgentFolder(Path.Combine(Path.GetTempPath(), _name + suffix), "node", _name + suffix, datapath);
        _folders.Add(folder);
        return folder;
    }

    /// <summary>Starts HTTP and a UDP echo on a pod.</summary>
    public void Serve(NetworkPod pod)
    {
        _servers.Add(HttpResponder.Start(pod.Network, HttpPort));
        _servers.AddRange(pod.Addresses.Select(address => UdpEcho.Start(pod.Network, address, UdpPort)));
    }

    /// <summary>Starts an agent on the node, or elsewhere, and waits until it is ready.</summary>
    public async Task<AgentProcess> StartAgentAsync(AgentFolder? folder = null, NetworkNamespace? network = null, string? executable = null)
    {
        var agent = AgentProcess.Start(executable ?? Executable.Path, network ?? Network.Node, folder ?? Folder);
        _agents.Add(agent);
        await agent.WaitReadyAsync(TestContext.Current.CancellationToken);
        return agent;
    }

    /// <summary>Changes the watched folder and waits until the kernel enforces it.</summary>
    public static async Task ChangeAsync(AgentProcess agent, Action change, int files = 1)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var revision = (await agent.GetStatusAsync(cancellation)).Revision;
        change();
        await agent.WaitRevisionAsync(revision + files, TimeSpan.FromSeconds(10), cancellation);
    }

    /// <summary>Fails unless TCP and UDP of both families reach a pod.</summary>
    public static async Task AssertAllowedAsync(NetworkPod from, NetworkPod to)
    {
        foreach (var (what, outcome) in await ProbeAsync(from.Network, to, AllowedLimit))
        {
            Assert.True(outcome == ProbeOutcome.Allowed, $"{from.Name} -> {to.Name} {what}: {outcome} instead of Allowed");
        }
    }

    /// <summary>Fails if TCP or UDP of any family reaches a pod.</summary>
    public static async Task AssertDeniedAsync(NetworkPod from, NetworkPod to)
    {
        foreach (var (what, outcome) in await ProbeAsync(from.Network, to, DeniedLimit))
        {
            Assert.True(outcome == ProbeOutcome.Denied, $"{from.Name} -> {to.Name} {what}: {outcome} instead of Denied");
        }
    }

    /// <summary>Runs a command of the executable on the node with this machine's configuration.</summary>
    public Task<CommandResult> RunAsync(params string[] arguments) =>
        Executable.RunAsync(Network.Node, [.. arguments, "--config", Folder.Configuration]);

    /// <summary>The pins and filters of this machine's agents.</summary>
    public IReadOnlyList<string> KernelState()
    {
        var pins = Directory.Exists("/sys/fs/bpf/portcullis")
            ? Directory.EnumerateDirectories("/sys/fs/bpf/portcullis").Where(path => Path.GetFileName(path).StartsWith(_name, StringComparison.Ordinal))
            : [];
        var qdiscs = Network.Pods.Select(pod => pod.Network).Append(Network.Node)
            .SelectMany(network => Executable.RunProgramAsync(network, "tc", "qdisc", "show").GetAwaiter().GetResult().Output.Split('\n'))
            .Where(line => line.Contains("clsact", StringComparison.Ordinal));
        return [.. pins, .. qdiscs];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var agent in _agents)
        {
            agent.Dispose();
        }

        foreach (var folder in _folders)
        {
            await Executable.RunAsync(Network.Node, "cleanup", "--config", folder.Configuration);
            folder.Dispose();
        }

        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        Network.Dispose();
    }

    private static async Task<IReadOnlyList<(string What, ProbeOutcome Outcome)>> ProbeAsync(NetworkNamespace from, NetworkPod to, TimeSpan limit)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var probes = to.Addresses.SelectMany(address => new[]
        {
            LabelAsync($"TCP {address}:{HttpPort}", HttpProbe.GetAsync(from, address, HttpPort, limit, cancellation)),
            LabelAsync($"UDP {address}:{UdpPort}", UdpEcho.ProbeAsync(from, address, UdpPort, limit, cancellation)),
        });
        return await Task.WhenAll(probes);
    }

    private static async Task<(string What, ProbeOutcome Outcome)> LabelAsync(string what, Task<ProbeOutcome> probe) => (what, await probe);
}
