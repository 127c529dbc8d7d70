using System.Diagnostics;
using System.Globalization;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.EndToEnd.Tests.Kubernetes;

/// <summary>An agent in a cluster with 100,000 pods and 10,000 policies.</summary>
public sealed class ScaleTests(ITestOutputHelper output)
{
    private const int ChurnPerSecond = 100;
    private static readonly TimeSpan ChurnTime = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task Cluster_OfAHundredThousandPods_IsKnownSoonAndCostsLittle()
    {
        Root.RequireBpf();
        var cancellation = TestContext.Current.CancellationToken;
        var name = $"pcscl{Guid.NewGuid():N}"[..12];
        using var network = PodNetwork.Create(name, IpAddress.Parse("10.250.0.1"));
        await using var server = await ReplayServer.StartAsync(network.Node);
        using var folder = new AgentFolder(Path.Combine(Path.GetTempPath(), name), "node-1", name, "ebpf");
        var kubeconfig = Path.Combine(folder.FullPath, "kubeconfig");
        await File.WriteAllTextAsync(kubeconfig, ReplayServer.Kubeconfig, cancellation);
        await File.WriteAllTextAsync(folder.Configuration, $$"""
            source: { plugin: kubernetes, kubernetes: { kubeconfig: {{kubeconfig}} } }
            datapath: { plugin: ebpf }
            node: { name: node-1, instance: {{name}} }
            api: { socket: {{folder.Socket}} }
            metrics: { listen: "" }
            """, cancellation);
        var started = Stopwatch.GetTimestamp();
        using var agent = AgentProcess.Start(Executable.Path, network.Node, folder);
        try
        {
            await agent.WaitReadyAsync(cancellation);
            var sync = Stopwatch.GetElapsedTime(started);
            var status = await agent.GetStatusAsync(cancellation);
            Assert.Equal((ReplayServer.Policies, ReplayServer.Pods / ReplayServer.Nodes), (status.Policies, status.Endpoints));
            var revision = status.Revision;

            // What is steady begins when the runtime has compiled what the first changes run through.
            await ChurnAsync(server, cancellation);
            var cpu = ProcessorTime(agent.Id);
            await ChurnAsync(server, cancellation);
            var share = (ProcessorTime(agent.Id) - cpu) / ChurnTime;
            status = await agent.GetStatusAsync(cancellation);
            var (resident, peak) = (Memory(agent.Id, "VmRSS"), Memory(agent.Id, "VmHWM"));
            output.WriteLine($"ready after {sync.TotalSeconds:F1} s; {resident} MB resident, {peak} MB at most; {ChurnPerSecond} pods/s take {share:P1} of a processor");
            Assert.True(status.Revision > revision, "no change of the churn arrived");
            Target.AtMost("first sync", sync.TotalSeconds, 20, "s", output.WriteLine);
            Assert.True(resident <= 250, $"{resident} MB");
            Target.AtMost("churn", share, 0.1, "of a processor", output.WriteLine);
        }
        finally
        {
            agent.Kill();
            await Executable.RunAsync(network.Node, "cleanup", "--config", folder.Configuration);
        }
    }

    private static async Task ChurnAsync(ReplayServer server, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1000.0 / ChurnPerSecond));
        for (var i = 0; i < ChurnPerSecond * ChurnTime.TotalSeconds; i++)
        {
            server.Churn(i * 37 % ReplayServer.Pods);
            await timer.WaitForNextTickAsync(cancellation);
        }
    }

    private static int Memory(int process, string field) =>
        int.Parse(File.ReadLines($"/proc/{process}/status").Single(line => line.StartsWith(field, StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;

    private static TimeSpan ProcessorTime(int process)
    {
        using var known = Process.GetProcessById(process);
        return known.TotalProcessorTime;
    }
}
