using System.Diagnostics;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Benchmarks.Agents;

/// <summary>
/// The agent while manifests change a hundred times a second, each change moving a pod in or out of what the server's policy allows.
/// Ten of them a second are about the client, whose packets tell when a change is enforced: from the rename of the file to the first
/// packet that is judged by it.
/// </summary>
internal sealed class ChurnSuite(string executable) : ISuite
{
    private const int Peers = 400;
    private const int ChangesPerSecond = 100;
    private const int ProbesPerSecond = 10;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static readonly string Policy = $$"""
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: { namespace: default, name: server }
        spec:
          podSelector: { matchLabels: { pod: server } }
          ingress: [ { from: [ { podSelector: { matchLabels: { access: granted } } } ], ports: [ { protocol: UDP, port: {{RuleWorld.UdpPort}} } ] } ]
        """;

    public string Name => "churn";

    public string Description => "the agent under 100 changes a second: latency until enforced, memory over time";

    public async Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        recorder.Skip("churn none, empty", "nothing is enforced there, so there is no latency to measure; update none has the compiler's share");
        foreach (var kind in new[] { DatapathKind.Ebpf, DatapathKind.Iptables })
        {
            if (Bed.Missing(kind) is { } reason)
            {
                recorder.Skip($"churn {kind.Text()}", reason);
                continue;
            }

            await RunAsync(kind.Text(), recorder, cancellationToken);
        }
    }

    private async Task RunAsync(string datapath, Recorder recorder, CancellationToken cancellationToken)
    {
        using var agent = new BenchAgent(executable, datapath);
        agent.Folder.Put("local.yaml", BenchAgent.Manifest(RuleWorld.Server));
        agent.Folder.Put("client.yaml", BenchAgent.Manifest(Client(isGranted: true)));
        agent.Folder.Put("policy.yaml", Policy);
        for (var i = 0; i < Peers; i++)
        {
            agent.Folder.Put($"peer-{i}.yaml", BenchAgent.Manifest(Peer(i, isGranted: false)));
        }

        await agent.StartAsync(cancellationToken);
        using var probe = new VerdictProbe(agent);
        await probe.WaitAsync(isGranted: true, Limit, cancellationToken);
        var size = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["changes per second"] = $"{ChangesPerSecond}", ["seconds"] = $"{Profile.Current.ChurnSeconds}" };
        var memory = new List<(int Second, double Megabytes)> { (0, agent.ResidentMegabytes()) };
        var churn = ChurnAsync(agent, memory, cancellationToken);
        var latencies = await MeasureAsync(agent, probe, churn, cancellationToken);
        await churn;

        var result = new Result(Name, "one of many changes", datapath, size, "enforced p50", "ms", Statistics.Percentile(latencies, 0.5)) { Samples = latencies.Count, Spread = Statistics.Spread(latencies) };
        recorder.Add(result);
        recorder.Add(result with { Metric = "enforced p99", Value = Statistics.Percentile(latencies, 0.99), Spread = 0 });
        recorder.Add(result with { Metric = "enforced max", Value = latencies.Max(), Spread = 0 });
        foreach (var (second, megabytes) in memory)
        {
            var at = new SortedDictionary<string, string>(size, StringComparer.Ordinal) { ["second"] = $"{second}" };
            recorder.Add(new Result(Name, "memory over time", datapath, at, "resident", "MB", megabytes));
        }
    }

    private static async Task ChurnAsync(BenchAgent agent, List<(int, double)> memory, CancellationToken cancellationToken)
    {
        const int perSecond = ChangesPerSecond - ProbesPerSecond;
        var memoryEvery = Math.Max(1, Profile.Current.ChurnSeconds / 10);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / perSecond));
        for (var i = 0; i < Profile.Current.ChurnSeconds * perSecond; i++)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            agent.Folder.Put($"peer-{i % Peers}.yaml", BenchAgent.Manifest(Peer(i % Peers, isGranted: i / Peers % 2 == 0)));
            if ((i + 1) % (perSecond * memoryEvery) == 0)
            {
                memory.Add(((i + 1) / perSecond, agent.ResidentMegabytes()));
            }
        }
    }

    private static async Task<List<double>> MeasureAsync(BenchAgent agent, VerdictProbe probe, Task churn, CancellationToken cancellationToken)
    {
        var latencies = new List<double>();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / ProbesPerSecond));
        for (var isGranted = false; !churn.IsCompleted; isGranted = !isGranted)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            var staged = agent.Folder.Stage("client.yaml", BenchAgent.Manifest(Client(isGranted)));
            var start = Stopwatch.GetTimestamp();
            agent.Folder.Publish(staged, "client.yaml");
            await probe.WaitAsync(isGranted, Limit, cancellationToken);
            latencies.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return latencies;
    }

    private static Workload Client(bool isGranted) => RuleWorld.Client with { Labels = RuleWorld.Client.Labels.With("access", isGranted ? "granted" : "none") };

    private static Workload Peer(int index, bool isGranted) => new()
    {
        Namespace = "default",
        Name = $"peer-{index}",
        NodeName = "elsewhere",
        Labels = LabelSet.Of(("access", isGranted ? "granted" : "none")),
        Addresses = [IpAddress.V4(0x0b000000u + (uint)index), IpAddress.V6(((UInt128)0xfd01_0000_0000_0000 << 64) + (uint)index)],
    };
}
