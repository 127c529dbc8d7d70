using System.Diagnostics;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>The laid-out agent with a folder of manifests, judged by real connections of both families. They need root.</summary>
public sealed class EnforcementTests(ITestOutputHelper output)
{
    private const string AllowClient = "ingress: [ { from: [ { podSelector: { matchLabels: { app: client } } } ] } ]";

    [Fact]
    public async Task Policy_AppliedChangedAndDeleted_DecidesAboutConnectionsOfBothFamilies()
    {
        await using var machine = new Machine();
        var agent = await machine.StartAgentAsync();
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);

        await Machine.ChangeAsync(agent, () => machine.Folder.Put("server.yaml", Machine.ServerPolicy("server")));
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);

        await Machine.ChangeAsync(agent, () => machine.Folder.Put("server.yaml", Machine.ServerPolicy("server", AllowClient)));
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);

        await Machine.ChangeAsync(agent, () => machine.Folder.Put("server.yaml", Machine.ServerPolicy("server")));
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);

        await Machine.ChangeAsync(agent, () => machine.Folder.Delete("server.yaml"));
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);
    }

    [Fact]
    public async Task Policy_PresentAtStart_IsEnforcedOnceReady()
    {
        await using var machine = new Machine();
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server"));

        await machine.StartAgentAsync();

        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
    }

    [Fact]
    public async Task Node_PodIsIsolated_StillReachesIt()
    {
        await using var machine = new Machine();
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server"));
        await machine.StartAgentAsync();

        foreach (var address in machine.Server.Addresses)
        {
            var outcome = await HttpProbe.GetAsync(
                machine.Network.Node, address, 80, Machine.AllowedLimit, TestContext.Current.CancellationToken);
            Assert.Equal(ProbeOutcome.Allowed, outcome);
        }
    }

    [Fact]
    public async Task PolicyChange_FiftyTimes_IsEnforcedWithinASecondEach()
    {
        await using var machine = new Machine();
        var agent = await machine.StartAgentAsync();
        var milliseconds = new List<double>();
        for (var i = 0; i < 50; i++)
        {
            var staged = machine.Folder.Stage("server.yaml", Machine.ServerPolicy("server", i % 2 == 0 ? string.Empty : AllowClient));
            var started = 0L;
            await Machine.ChangeAsync(agent, () =>
            {
                started = Stopwatch.GetTimestamp();
                machine.Folder.Publish(staged, "server.yaml");
            });
            milliseconds.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }

        milliseconds.Sort();
        output.WriteLine($"from rename to kernel: p50 {milliseconds[25]:F1} ms, p90 {milliseconds[45]:F1} ms, most {milliseconds[^1]:F1} ms");
        Assert.True(milliseconds[^1] < 1000, $"the slowest change took {milliseconds[^1]:F0} ms");
    }

    [Fact]
    public async Task Interface_AppearsAfterThePolicy_IsEnforcedWithinASecond()
    {
        await using var machine = new Machine();
        var name = new NamespacedName("default", "late");
        IpAddress[] addresses = [IpAddress.Parse("10.213.0.9"), IpAddress.Parse("fd00:213::9")];
        machine.Folder.Put("late.yaml", Machine.PodManifest(name, addresses));
        machine.Folder.Put("late-policy.yaml", Machine.ServerPolicy("late").Replace("app: server", "app: late", StringComparison.Ordinal));
        var agent = await machine.StartAgentAsync();
        Assert.Equal(1, (await agent.GetStatusAsync(TestContext.Current.CancellationToken)).EndpointsWithoutInterface);

        var late = machine.Network.AddPod(name, addresses);
        machine.Serve(late);

        await UntilAsync(
            async () => (await agent.GetStatusAsync(TestContext.Current.CancellationToken)).EndpointsWithoutInterface == 0,
            TimeSpan.FromSeconds(1),
            "the late interface is known");
        await Machine.AssertDeniedAsync(machine.Client, late);
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);
    }

    [Fact]
    public async Task Container_OnABridge_IsEnforcedAtItsPortAlsoOnceTheBridgeForgotIt()
    {
        await using var machine = new Machine();
        var node = machine.Network.Node;
        node.Ip("""
            link add br0 type bridge
            addr add 10.214.0.1/24 dev br0
            link set br0 up
            """);
        using var client = NetworkNamespace.Create($"{machine.Instance}-bridged-client");
        using var server = NetworkNamespace.Create($"{machine.Instance}-bridged-server");
        var from = AttachToBridge(node, client, "bridged-client", "10.214.0.2");
        var to = AttachToBridge(node, server, "bridged-server", "10.214.0.3");
        machine.Serve(to);
        machine.Folder.Put("bridged.yaml", Machine.PodManifest(from) + Machine.PodManifest(to));
        machine.Folder.Put("bridged-policy.yaml", Machine.ServerPolicy("bridged").Replace("app: server", "app: bridged-server", StringComparison.Ordinal));
        var agent = await machine.StartAgentAsync();

        await FromNodeAsync(ProbeOutcome.Allowed, to);
        await FromNodeAsync(ProbeOutcome.Failed, from);
        await UntilAsync(
            async () => (await agent.GetStatusAsync(TestContext.Current.CancellationToken)).EndpointsWithoutInterface == 0,
            TimeSpan.FromSeconds(1),
            "the ports of both containers are known");
        await Machine.AssertDeniedAsync(from, to);

        node.Ip("""
            link set bridged-server type bridge_slave fdb_flush
            neigh flush dev br0
            """);
        await Machine.ChangeAsync(agent, () => machine.Folder.Put("other.yaml", Machine.ServerPolicy("server")));
        Assert.Equal(0, (await agent.GetStatusAsync(TestContext.Current.CancellationToken)).EndpointsWithoutInterface);
        await Machine.AssertDeniedAsync(from, to);
        await FromNodeAsync(ProbeOutcome.Allowed, to);

        async Task FromNodeAsync(ProbeOutcome expected, NetworkPod pod) => Assert.Equal(
            expected, await HttpProbe.GetAsync(node, pod.Addresses[0], 80, Machine.AllowedLimit, TestContext.Current.CancellationToken));
    }

    private static NetworkPod AttachToBridge(NetworkNamespace node, NetworkNamespace network, string name, string address)
    {
        node.Ip($"""
            link add {name} type veth peer name eth0 netns {network.Name}
            link set {name} master br0 up
            """);
        network.Ip($"""
            link set eth0 up
            addr add {address}/24 dev eth0
            """);
        return new NetworkPod(new NamespacedName("default", name), [IpAddress.Parse(address)], network, name);
    }

    [Fact]
    public async Task Agent_Killed_EnforcementStaysAndTheNextOneTakesOver()
    {
        await using var machine = new Machine();
        var policy = Machine.ServerPolicy("server", "ingress: [ { from: [ { podSelector: { matchLabels: { app: friend } } } ] } ]");
        machine.Folder.Put("server.yaml", policy);
        var first = await machine.StartAgentAsync();
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);

        first.Kill();
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);

        var second = await machine.StartAgentAsync();
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
        await Machine.ChangeAsync(second, () => machine.Folder.Put("server.yaml", Machine.ServerPolicy("server", AllowClient)));
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);
    }

    [Fact]
    public async Task Agent_KilledAndRestartedUnderTraffic_NeverLetsADeniedConnectionThrough()
    {
        await using var machine = new Machine();
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server"));
        var agent = await machine.StartAgentAsync();
        using var stop = new CancellationTokenSource();
        var attempts = Task.Run(() => TryUntilAsync(machine, stop.Token), TestContext.Current.CancellationToken);

        for (var i = 0; i < 3; i++)
        {
            agent.Kill();
            agent = await machine.StartAgentAsync();
        }

        await stop.CancelAsync();
        var outcomes = await attempts;
        Assert.NotEmpty(outcomes);
        Assert.All(outcomes, outcome => Assert.Equal(ProbeOutcome.Denied, outcome));
    }

    [Fact]
    public async Task Agent_Terminated_ExitsWithZeroAndLeavesEnforcement()
    {
        await using var machine = new Machine();
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server"));
        var agent = await machine.StartAgentAsync();

        Assert.Equal(0, agent.Stop());

        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
    }

    [Fact]
    public async Task Cleanup_AgentRuns_ItLetsGoAndNothingIsLeft()
    {
        await using var machine = new Machine();
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server"));
        var agent = await machine.StartAgentAsync();
        Assert.NotEmpty(machine.KernelState());

        var cleanup = await machine.RunAsync("cleanup");

        Assert.True(cleanup.ExitCode == 0, cleanup.Error);
        Assert.Equal(0, agent.Stop());
        Assert.Empty(machine.KernelState());
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);
    }

    [Fact]
    public async Task TwoInstances_OnOneMachine_EnforceAndCleanUpApart()
    {
        await using var machine = new Machine();
        machine.Folder.Put("pods.yaml", Machine.PodManifest(machine.Server));
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server"));
        var other = machine.AddFolder("b");
        machine.Serve(machine.Client);
        other.Put("pods.yaml", Machine.PodManifest(machine.Client));
        other.Put("client.yaml", Machine.ServerPolicy("client").Replace("app: server", "app: client", StringComparison.Ordinal));

        await machine.StartAgentAsync();
        await machine.StartAgentAsync(other);
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
        await Machine.AssertDeniedAsync(machine.Server, machine.Client);

        var cleanup = await machine.RunAsync("cleanup");

        Assert.True(cleanup.ExitCode == 0, cleanup.Error);
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);
        await Machine.AssertDeniedAsync(machine.Server, machine.Client);
    }

    [Fact]
    public async Task Workload_SideSelf_PolicesTheMachinesOwnInterface()
    {
        await using var machine = new Machine();
        machine.Folder.Put("pods.yaml", $$"""
            apiVersion: portcullis.dev/v1alpha1
            kind: Workload
            metadata: { namespace: default, name: server, labels: { app: server } }
            spec: { interface: eth0, side: self, addresses: [{{string.Join(", ", machine.Server.Addresses.Select(address => $"\"{address}\""))}}] }
            """);
        var agent = await machine.StartAgentAsync(network: machine.Server.Network);
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);

        await Machine.ChangeAsync(agent, () => machine.Folder.Put("server.yaml", Machine.ServerPolicy("server")));
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);

        agent.Stop();
        var cleanup = await Executable.RunAsync(machine.Server.Network, "cleanup", "--config", machine.Folder.Configuration);
        Assert.True(cleanup.ExitCode == 0, cleanup.Error);
    }

    private static async Task<List<ProbeOutcome>> TryUntilAsync(Machine machine, CancellationToken stop)
    {
        var outcomes = new List<ProbeOutcome>();
        while (!stop.IsCancellationRequested)
        {
            outcomes.Add(await HttpProbe.GetAsync(
                machine.Client.Network,
                machine.Server.Address(IpFamily.IPv4),
                80,
                TimeSpan.FromMilliseconds(100),
                TestContext.Current.CancellationToken));
        }

        return outcomes;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, TimeSpan limit, string what)
    {
        var started = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < limit, $"not within {limit.TotalSeconds} s: {what}");
        }
    }
}
