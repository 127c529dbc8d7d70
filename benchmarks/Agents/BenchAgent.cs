using System.Globalization;
using System.Text;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Benchmarks.Agents;

/// <summary>A node with pods client and server, and the real agent, which reads their manifests from a folder.</summary>
internal sealed class BenchAgent : IDisposable
{
    private readonly string _name = Remains.NewName();
    private readonly string _executable;
    private AgentProcess? _agent;

    /// <param name="executable">The executable <c>portcullis</c>.</param>
    /// <param name="datapath">The datapath's name.</param>
    /// <param name="interfaces">Further interfaces <c>bench1</c>, <c>bench2</c> and so on.</param>
    public BenchAgent(string executable, string datapath, int interfaces = 0)
    {
        _executable = executable;
        using (Remains.Change())
        {
            Network = PodNetwork.Create(_name, [.. RuleWorld.NodeAddresses]);
            Folder = new AgentFolder(Path.Combine(Path.GetTempPath(), _name), RuleWorld.Node, _name, datapath);
            Remains.Own(this);
        }

        try
        {
            Client = Network.AddPod(RuleWorld.Client.Key.NamespacedName, [.. RuleWorld.ClientAddresses]);
            Server = Network.AddPod(RuleWorld.Server.Key.NamespacedName, [.. RuleWorld.ServerAddresses]);
            if (interfaces > 0)
            {
                Network.Node.Ip(string.Join('\n', Enumerable.Range(0, (interfaces + 1) / 2).Select(pair => $"link add bench{(2 * pair) + 1} type veth peer name bench{(2 * pair) + 2}")));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public PodNetwork Network { get; }

    public AgentFolder Folder { get; }

    public NetworkPod Client { get; }

    public NetworkPod Server { get; }

    public AgentProcess Process => _agent ?? throw new InvalidOperationException("the agent was not started");

    /// <summary>A pod's manifest, as one document.</summary>
    public static string Manifest(Workload pod, string? linkName = null) => string.Create(CultureInfo.InvariantCulture, $$"""
        ---
        apiVersion: v1
        kind: Pod
        metadata:
          namespace: {{pod.Namespace}}
          name: {{pod.Name}}
          labels: { {{string.Join(", ", pod.Labels.Select(label => $"{label.Key}: \"{label.Value}\""))}} }
          {{(linkName is null ? string.Empty : $"annotations: {{ portcullis.dev/interface: {linkName} }}")}}
        spec: { nodeName: {{pod.NodeName}}, containers: [ { name: app, image: example.com/app } ] }
        status: { phase: Running, podIPs: [{{string.Join(", ", pod.Addresses.Select(address => $"{{ ip: \"{address}\" }}"))}}] }

        """);

    /// <summary>Starts it and waits until it enforces what its manifests say.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _agent?.Dispose();
        _agent = AgentProcess.Start(_executable, Network.Node, Folder);
        await _agent.WaitReadyAsync(cancellationToken);
    }

    /// <summary>The memory it holds, in megabytes.</summary>
    public double ResidentMegabytes()
    {
        var line = File.ReadLines($"/proc/{Process.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }

    public void Dispose()
    {
        using var changing = Remains.Change();
        if (!Remains.Disown(this))
        {
            return;
        }

        try
        {
            if (_agent is { ExitCode: null })
            {
                _agent.CleanupAsync(CancellationToken.None).GetAwaiter().GetResult();
            }
            else
            {
                Commands.Run(Network.Node, string.Empty, _executable, "cleanup", "--config", Folder.Configuration);
            }
        }
        finally
        {
            _agent?.Dispose();
            Network.Dispose();
            Folder.Dispose();
        }
    }
}
