using System.Diagnostics;
using System.Text;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;

namespace Portcullis.Benchmarks.Agents;

/// <summary>The agent from its start to enforcing, and the memory it then holds.</summary>
internal sealed class StartSuite(string executable) : ISuite
{
    private const int LocalPods = 100;
    private const int KnownPods = 100_000;
    private const int PodsPerFile = 1_000;

    public string Name => "start";

    public string Description => "the agent from start to enforcing with 100 local pods, and its memory, idle and with 100,000 pods known";

    public async Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        foreach (var kind in new[] { DatapathKind.Ebpf, DatapathKind.Iptables })
        {
            if (Bed.Missing(kind) is { } reason)
            {
                recorder.Skip($"start {kind.Text()}", reason);
                continue;
            }

            await RunAsync(kind.Text(), recorder, cancellationToken);
        }
    }

    private async Task RunAsync(string datapath, Recorder recorder, CancellationToken cancellationToken)
    {
        using var agent = new BenchAgent(executable, datapath, LocalPods);
        agent.Folder.Put("client-and-server.yaml", BenchAgent.Manifest(RuleWorld.Server) + BenchAgent.Manifest(RuleWorld.Client));
        await agent.StartAsync(cancellationToken);
        var idle = agent.ResidentMegabytes();
        agent.Process.Stop();

        agent.Folder.Put("pods.yaml", string.Concat(Enumerable.Range(1, LocalPods).Select(index => BenchAgent.Manifest(RuleWorld.LocalPod(index), $"bench{index}") + Policy(index))));
        var cold = await TimeAsync(agent, cancellationToken);
        var warm = new List<double>();
        for (var round = 0; round < Math.Min(Profile.Current.Iterations, 5); round++)
        {
            agent.Process.Stop();
            warm.Add(await TimeAsync(agent, cancellationToken));
        }

        var sizes = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["pods"] = $"{LocalPods}" };
        recorder.Add(new Result(Name, "nothing in the kernel yet", datapath, sizes, "until enforcing", "ms", cold));
        recorder.Add(new Result(Name, "rules of an earlier start in force", datapath, sizes, "until enforcing", "ms", 0), warm);
        recorder.Add(new Result(Name, "idle", datapath, new() { ["pods"] = "2" }, "resident", "MB", idle));
        if (!Profile.Current.IsFull)
        {
            recorder.Skip($"start {datapath}: memory with {KnownPods:N0} pods", "only in the full profile");
            return;
        }

        agent.Process.Stop();
        var world = new RuleWorld(Profile.MiddleRules, KnownPods);
        foreach (var (index, peers) in world.Peers.Chunk(PodsPerFile).Index())
        {
            agent.Folder.Put($"peers-{index}.yaml", new StringBuilder().AppendJoin(string.Empty, peers.Select(peer => BenchAgent.Manifest(peer))).ToString());
        }

        await agent.StartAsync(cancellationToken);
        recorder.Add(new Result(Name, "many pods known", datapath, new() { ["pods"] = $"{KnownPods}" }, "resident", "MB", agent.ResidentMegabytes()));
    }

    private static async Task<double> TimeAsync(BenchAgent agent, CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        await agent.StartAsync(cancellationToken);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static string Policy(int index) => $$"""
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: { namespace: default, name: local-{{index}} }
        spec:
          podSelector: { matchLabels: { pod: local-{{index}} } }
          policyTypes: [Ingress, Egress]
          ingress: [ { from: [ { podSelector: { matchLabels: { pod: client } } } ], ports: [ { port: {{8000 + index}} } ] } ]
          egress: [ { to: [ { podSelector: { matchLabels: { set: "{{index % 100}}" } } } ] } ]

        """;
}
