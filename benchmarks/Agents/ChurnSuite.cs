using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Benchmarks.Agents;

/// <summary>
/// The agent while a manifest changes a hundred times a second: from the rename of the file to the answer that it is enforced. Every
/// change moves a pod in or out of what the server's policy allows.
/// </summary>
internal sealed class ChurnSuite(string executable) : ISuite
{
    private const int Peers = 400;
    private const int ChangesPerSecond = 100;
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
        agent.Folder.Put("local.yaml", BenchAgent.Manifest(RuleWorld.Server) + BenchAgent.Manifest(Client(isGranted: true)));
        agent.Folder.Put("policy.yaml", Policy);
        for (var i = 0; i < Peers; i++)
        {
            agent.Folder.Put($"peer-{i}.yaml", BenchAgent.Manifest(Peer(i, isGranted: false)));
        }

        await agent.StartAsync(cancellationToken);
        await CheckAsync(agent, isGranted: true, cancellationToken);
        var size = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["changes per second"] = $"{ChangesPerSecond}", ["seconds"] = $"{Profile.Current.ChurnSeconds}" };
        var memory = new List<(int Second, double Megabytes)> { (0, agent.ResidentMegabytes()) };
        var revision = (await agent.Process.GetStatusAsync(cancellationToken)).Revision;
        var latencies = await ChurnAsync(agent, revision, memory, cancellationToken);

        // The last change is the client's own: what the agent says must be what packets meet.
        agent.Folder.Put("local.yaml", BenchAgent.Manifest(RuleWorld.Server) + BenchAgent.Manifest(Client(isGranted: false)));
        await agent.Process.WaitRevisionAsync(revision + latencies.Count + 1, Limit, cancellationToken);
        await CheckAsync(agent, isGranted: false, cancellationToken);

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

    private static async Task<List<double>> ChurnAsync(BenchAgent agent, long revision, List<(int, double)> memory, CancellationToken cancellationToken)
    {
        var changes = Profile.Current.ChurnSeconds * ChangesPerSecond;
        var memoryEvery = Math.Max(1, Profile.Current.ChurnSeconds / 10);
        var latencies = new ConcurrentBag<double>();
        var waits = new List<Task>(changes);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / ChangesPerSecond));
        for (var i = 0; i < changes; i++)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            var name = $"peer-{i % Peers}.yaml";
            var staged = agent.Folder.Stage(name, BenchAgent.Manifest(Peer(i % Peers, isGranted: i / Peers % 2 == 0)));
            var start = Stopwatch.GetTimestamp();
            agent.Folder.Publish(staged, name);
            waits.Add(EnforcedAsync(revision + i + 1, start));
            if ((i + 1) % (ChangesPerSecond * memoryEvery) == 0)
            {
                memory.Add(((i + 1) / ChangesPerSecond, agent.ResidentMegabytes()));
            }
        }

        await Task.WhenAll(waits);
        return [.. latencies];

        async Task EnforcedAsync(long expected, long start)
        {
            await agent.Process.WaitRevisionAsync(expected, Limit, cancellationToken);
            latencies.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
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

    private static async Task CheckAsync(BenchAgent agent, bool isGranted, CancellationToken cancellationToken)
    {
        var server = new IPEndPoint(agent.Server.Address(IpFamily.IPv4).ToIPAddress(), RuleWorld.UdpPort);
        using var receiver = agent.Server.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        receiver.Bind(server);
        using var sender = agent.Client.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        await sender.SendToAsync(new byte[1], server, cancellationToken);
        if (receiver.Poll(TimeSpan.FromMilliseconds(500), SelectMode.SelectRead) != isGranted)
        {
            throw new BenchException($"churn: a packet {(isGranted ? "that policy allows was lost" : "that policy denies arrived")}: the figures would mean nothing");
        }
    }
}
