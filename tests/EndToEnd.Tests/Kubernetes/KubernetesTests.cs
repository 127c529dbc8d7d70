using System.Diagnostics;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.EndToEnd.Tests.Kubernetes;

/// <summary>The agent with a real API server, under the least ClusterRole, judged by real connections.</summary>
public sealed class KubernetesTests(KubernetesMachine machine, ITestOutputHelper output) : IClassFixture<KubernetesMachine>, IAsyncLifetime
{
    private const string App = "default/demo-app";
    private const string One = "default/client-one";
    private const string Two = "default/client-two";
    private const string Another = "another-ns/another-client-one";
    private const string Isolated = """{"podSelector":{"matchLabels":{"app":"late"}},"policyTypes":["Ingress","Egress"]}""";
    private const string Closed = """{"podSelector":{"matchLabels":{"app":"demo-app"}},"policyTypes":["Ingress"]}""";
    private const string AdmitsRole =
        """{"podSelector":{"matchLabels":{"app":"demo-app"}},"policyTypes":["Ingress"],"ingress":[{"from":[{"podSelector":{"matchLabels":{"role":"friend"}}}]}]}""";

    private const string AdmitsTeam =
        """{"podSelector":{"matchLabels":{"app":"demo-app"}},"policyTypes":["Ingress"],"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"team":"a"}}}]}]}""";

    private const string AdminDeny = """
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: { name: closed }
        spec:
          tier: Admin
          priority: 10
          subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: demo-app } } } }
          ingress: [ { action: Deny, from: [ { namespaces: {} } ] } ]
        """;

    /// <summary>How long a kind that appears is not looked for, and some.</summary>
    private static readonly TimeSpan DefinitionLimit = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan ChangeLimit = TimeSpan.FromSeconds(10);

    /// <summary>How long the server is away; PORTCULLIS_OUTAGE_SECONDS=60 makes it the long run.</summary>
    private static readonly TimeSpan Outage = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("PORTCULLIS_OUTAGE_SECONDS"), out var seconds) ? seconds : 8);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        Assert.SkipWhen(machine.SkipReason is not null, machine.SkipReason ?? string.Empty);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (machine.SkipReason is not null)
        {
            return;
        }

        await machine.StopAgentsAsync();
        await machine.Api.KubectlAsync("delete", "networkpolicies", "--all", "-n", "default");
        await machine.LabelPodAsync(new NamespacedName("default", "client-one"), "role", null);
        await machine.PatchNamespaceAsync("another-ns", "team", null);
    }

    [Fact]
    public async Task Demo_ByKubectl_EveryConnectionEndsAsExpected()
    {
        var agent = await machine.StartAgentAsync();
        foreach (var step in machine.Scenario.Steps)
        {
            var revision = (await agent.GetStatusAsync(Cancellation)).Revision;
            var changes = 0;
            if (step.DeleteAll)
            {
                changes = (await agent.GetStatusAsync(Cancellation)).Policies;
                await machine.Api.KubectlAsync("delete", "networkpolicies", "--all", "-n", "default");
            }
            else if (step.Apply is { } manifest)
            {
                var path = Path.Combine(KubernetesMachine.Examples, manifest);
                changes = (await File.ReadAllLinesAsync(path, Cancellation)).Count(line => line.StartsWith("kind: ", StringComparison.Ordinal));
                await machine.Api.KubectlAsync("apply", "-f", path);
            }

            await agent.WaitRevisionAsync(revision + changes, ChangeLimit, Cancellation);
            var probes = await machine.Cluster.ProbeAsync(step, Cancellation);
            Assert.All(probes, probe => Assert.True(
                probe.Expected == probe.Observed, $"{step.Title}: {probe.From} -> {probe.To}:{probe.Port}: {probe.Observed} instead of {probe.Expected}"));
        }
    }

    [Fact]
    public async Task Change_OfEachKind_IsEnforcedWithin100MillisecondsAtTheMedian()
    {
        var agent = await machine.StartAgentAsync();
        var friend = new NamespacedName("default", "client-one");
        await ChangeAsync(agent, () => machine.PutPolicyAsync("app", AdmitsRole));
        await machine.AssertDeniedAsync(One, App);
        var measured = new Dictionary<string, List<double>>
        {
            ["pod label"] = await MeasureAsync(agent, i => machine.LabelPodAsync(friend, "role", i % 2 == 0 ? "friend" : null)),
        };
        await ChangeAsync(agent, () => machine.LabelPodAsync(friend, "role", "friend"));
        await machine.AssertAllowedAsync(One, App);
        await machine.AssertDeniedAsync(Two, App);

        await ChangeAsync(agent, () => machine.PutPolicyAsync("app", AdmitsTeam));
        measured["namespace label"] = await MeasureAsync(agent, i => machine.PatchNamespaceAsync("another-ns", "team", i % 2 == 0 ? "a" : null));
        await machine.AssertDeniedAsync(Another, App);
        await ChangeAsync(agent, () => machine.PatchNamespaceAsync("another-ns", "team", "a"));
        await machine.AssertAllowedAsync(Another, App);
        await machine.AssertDeniedAsync(One, App);

        measured["policy update"] = await MeasureAsync(agent, i => machine.PutPolicyAsync("app", i % 2 == 0 ? AdmitsRole : AdmitsTeam));
        measured["policy delete and create"] = await MeasureAsync(
            agent, i => i % 2 == 0 ? machine.DeletePolicyAsync("app") : machine.PutPolicyAsync("app", Closed));
        await machine.AssertDeniedAsync(Another, App);
        measured["pod delete and create"] = await MeasureAsync(
            agent,
            i => i % 2 == 0
                ? machine.DeletePodAsync(new NamespacedName("another-ns", "another-client-two"))
                : machine.SchedulePodAsync(new NamespacedName("another-ns", "another-client-two"), "x"));
        await ChangeAsync(agent, () => machine.ReportAddressAsync(new NamespacedName("another-ns", "another-client-two"), IpAddress.Parse("10.213.0.22")));

        foreach (var (what, milliseconds) in measured)
        {
            milliseconds.Sort();
            output.WriteLine($"{what}: from the API's answer to the kernel p50 {milliseconds[milliseconds.Count / 2]:F1} ms, most {milliseconds[^1]:F1} ms");
        }

        Assert.All(measured, entry => Assert.True(entry.Value[entry.Value.Count / 2] < 100, $"{entry.Key}: {entry.Value[entry.Value.Count / 2]:F1} ms"));
    }

    [Fact]
    public async Task Address_OfADeletedPod_BelongsToTheNextOne()
    {
        var agent = await machine.StartAgentAsync();
        var friend = new NamespacedName("default", "visitor-one");
        var stranger = new NamespacedName("default", "visitor-two");
        var address = IpAddress.Parse("10.213.0.99");
        await ChangeAsync(agent, () => machine.PutPolicyAsync("app", AdmitsRole.Replace("role", "app", StringComparison.Ordinal)));
        await ChangeAsync(agent, () => machine.CreatePodAsync(friend, address, "friend"), changes: 2);
        var pod = machine.Cluster.Network.AddPod(friend, address);
        try
        {
            await machine.AssertAllowedAsync(friend.ToString(), App);

            await ChangeAsync(agent, () => machine.DeletePodAsync(friend));
            await ChangeAsync(agent, () => machine.CreatePodAsync(stranger, address, "stranger"), changes: 2);

            await machine.AssertDeniedAsync(friend.ToString(), App);
        }
        finally
        {
            machine.Cluster.Network.RemovePod(pod);
            await machine.DeletePodAsync(stranger);
        }
    }

    /// <remarks>The machine at the address that the server says it has is another one than the node, which every pod may reach.</remarks>
    [Fact]
    public async Task ClusterIpOfTheServer_WithoutSelector_IsReachedAsItsAddressIs()
    {
        var agent = await machine.StartAgentAsync();
        var address = IpAddress.Parse(ApiServerProcess.AdvertisedAddress);
        var server = machine.Cluster.Network.AddPod(new NamespacedName("elsewhere", "server"), address);
        await using var answers = HttpResponder.Start(server.Network, 6443);
        try
        {
            await TranslateAsync("-A");
            Assert.Equal(ProbeOutcome.Allowed, await ReachAsync(ProbeOutcome.Allowed));

            foreach (var (to, expected) in new[]
            {
                ("""{"ipBlock":{"cidr":"0.0.0.0/0","except":["10.213.0.200/32"]}}""", ProbeOutcome.Denied),
                ("""{"ipBlock":{"cidr":"10.213.0.200/32"}}""", ProbeOutcome.Allowed),
                ("""{"ipBlock":{"cidr":"10.96.0.0/16"}}""", ProbeOutcome.Denied),
                ("""{"ipBlock":{"cidr":"0.0.0.0/0"}}""", ProbeOutcome.Allowed),
            })
            {
                await ChangeAsync(agent, () => machine.PutPolicyAsync(
                    "server", $$$"""{"podSelector":{"matchLabels":{"app":"client-one"}},"policyTypes":["Egress"],"egress":[{"to":[{{{to}}}],"ports":[{"port":6443}]}]}"""));
                Assert.True(expected == await ReachAsync(expected), $"{to}: not {expected}");
            }
        }
        finally
        {
            await TranslateAsync("-D");
            machine.Cluster.Network.RemovePod(server);
        }

        Task<ProbeOutcome> ReachAsync(ProbeOutcome expected) => HttpProbe.GetAsync(
            machine.Cluster.Network.Pods.Single(pod => pod.Name.ToString() == One).Network,
            IpAddress.Parse("10.96.0.1"),
            443,
            expected == ProbeOutcome.Allowed ? Machine.AllowedLimit : Machine.DeniedLimit,
            Cancellation);

        async Task TranslateAsync(string what)
        {
            string[] rule = ["-w", "-t", "nat", what, "PREROUTING", "-d", "10.96.0.1", "-p", "tcp", "--dport", "443", "-j", "DNAT", "--to-destination", $"{address}:6443"];
            var result = await Executable.RunProgramAsync(machine.Cluster.Network.Node, "iptables", rule);
            Assert.True(result.ExitCode == 0, result.Error);
        }
    }

    [Fact]
    public async Task Definition_OfClusterNetworkPolicies_AppearsAndGoes_IsFollowed()
    {
        await machine.StartAgentAsync();
        await machine.AssertAllowedAsync(One, App);

        await machine.Api.DefineAsync("policy.networking.k8s.io", "v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies", "Cluster");
        try
        {
            await machine.Api.ApplyAsync(AdminDeny);
            await UntilAsync(One, App, ProbeOutcome.Denied, DefinitionLimit);
        }
        finally
        {
            await machine.Api.UndefineAsync("policy.networking.k8s.io", "clusternetworkpolicies");
        }

        await UntilAsync(One, App, ProbeOutcome.Allowed, DefinitionLimit);
        await machine.Api.DefineAsync("policy.networking.k8s.io", "v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies", "Cluster");
        try
        {
            await machine.Api.ApplyAsync(AdminDeny);
            await UntilAsync(One, App, ProbeOutcome.Denied, DefinitionLimit);
        }
        finally
        {
            await machine.Api.UndefineAsync("policy.networking.k8s.io", "clusternetworkpolicies");
        }
    }

    [Fact]
    public async Task PolicyEndpoints_OnceTheyAreDefined_AreEnforced()
    {
        const string group = "networking.k8s.aws";
        var agent = machine.LaunchAgent(policies: "policyEndpoints");
        var ready = agent.WaitReadyAsync(Cancellation);
        await UntilAsync(agent, "the missing definition is told", status => status.Problems.Any(
            problem => problem.Message.Contains("answered 404 to a request for policyendpoints", StringComparison.Ordinal)));
        await machine.Api.DefineAsync(group, "v1alpha1", "ClusterPolicyEndpoint", "clusterpolicyendpoints", "Cluster");
        await machine.Api.DefineAsync(group, "v1alpha1", "PolicyEndpoint", "policyendpoints", "Namespaced");
        try
        {
            await ready;
            await machine.AssertAllowedAsync(Two, App);

            await machine.Api.ApplyAsync(Chunk("p-1", """{"cidr":"10.213.0.11"}"""));
            await UntilAsync(Two, App, ProbeOutcome.Denied, ChangeLimit);
            await machine.AssertAllowedAsync(One, App);

            await machine.Api.ApplyAsync(Chunk("p-2", """{"cidr":"10.213.0.12"}"""));
            await UntilAsync(Two, App, ProbeOutcome.Allowed, ChangeLimit);
            await machine.AssertDeniedAsync(Another, App);

            await machine.Api.KubectlAsync("delete", "policyendpoints", "--all", "-n", "default");
            await UntilAsync(Another, App, ProbeOutcome.Allowed, ChangeLimit);
        }
        finally
        {
            await machine.Api.UndefineAsync(group, "clusterpolicyendpoints");
            await machine.Api.UndefineAsync(group, "policyendpoints");
        }

        await UntilAsync(agent, "the missing definition is told", status => status.Problems.Any(
            problem => problem.Message.Contains("answered 404 to a request for policyendpoints", StringComparison.Ordinal)));
        await machine.AssertAllowedAsync(One, App);

        static string Chunk(string name, string rule) => $$$"""
            apiVersion: networking.k8s.aws/v1alpha1
            kind: PolicyEndpoint
            metadata: { namespace: default, name: {{{name}}} }
            spec:
              policyRef: { namespace: default, name: p }
              podIsolation: [Ingress]
              podSelector: { matchLabels: { app: demo-app } }
              podSelectorEndpoints: [ { hostIP: 10.213.0.1, podIP: 10.213.0.10, name: demo-app, namespace: default } ]
              ingress: [ {{{rule}}} ]
            """;
    }

    [Fact]
    public async Task Server_StoppedAndStarted_NothingOpensAndTheNextChangeCounts()
    {
        var agent = await machine.StartAgentAsync();
        await ChangeAsync(agent, () => machine.PutPolicyAsync("app", AdmitsRole));
        machine.Api.StopServer();
        var down = Stopwatch.GetTimestamp();
        await UntilAsync(agent, "the outage is told", status => status.Problems.Any(problem => problem.Message.Contains("cannot be reached", StringComparison.Ordinal)));
        while (Stopwatch.GetElapsedTime(down) < Outage)
        {
            await machine.AssertDeniedAsync(One, App);
            await machine.AssertAllowedAsync(One, Two);
        }

        await machine.Api.StartServerAsync();
        var back = Stopwatch.GetTimestamp();
        await machine.LabelPodAsync(new NamespacedName("default", "client-one"), "role", "friend");
        await UntilAsync(agent, "no problems", status => status.Problems.Count == 0);
        await AllowedAsync(One, App);
        output.WriteLine($"enforced {Stopwatch.GetElapsedTime(back).TotalMilliseconds:F0} ms after the server was ready");
        Target.AtMost("converged after the server's return", Stopwatch.GetElapsedTime(back).TotalSeconds, 5, "s", output.WriteLine);
    }

    [Fact]
    public async Task Etcd_CompactedWhileNobodyListened_TheStateIsListedAnew()
    {
        var agent = await machine.StartAgentAsync();
        await ChangeAsync(agent, () => machine.PutPolicyAsync("app", AdmitsRole));
        await machine.AssertDeniedAsync(One, App);
        Signal(agent, "STOP");
        machine.Api.StopServer();
        await machine.Api.StartServerAsync();
        for (var i = 0; i < 50; i++)
        {
            await machine.LabelPodAsync(new NamespacedName("default", "client-two"), "count", $"{i}");
        }

        await machine.LabelPodAsync(new NamespacedName("default", "client-one"), "role", "friend");
        await machine.Api.CompactAsync();
        machine.Api.StopServer();
        await machine.Api.StartServerAsync();

        Signal(agent, "CONT");
        var back = Stopwatch.GetTimestamp();
        await AllowedAsync(One, App);
        Target.AtMost("converged after the server's return", Stopwatch.GetElapsedTime(back).TotalSeconds, 5, "s", output.WriteLine);
        await machine.AssertDeniedAsync(Two, App);
    }

    [Fact]
    public async Task Token_Replaced_IsReadAnew()
    {
        var agent = await machine.StartAgentAsync();
        await ChangeAsync(agent, () => machine.PutPolicyAsync("app", Closed));
        machine.Api.StopServer();
        machine.Api.SetAgentToken("second-token");
        await machine.Api.StartServerAsync();
        await UntilAsync(agent, "the refusal is told", status => status.Problems.Any(problem => problem.Message.Contains("401 Unauthorized", StringComparison.Ordinal)));
        await machine.AssertDeniedAsync(One, App);

        await File.WriteAllTextAsync(machine.Api.AgentTokenFile, "second-token", Cancellation);
        await UntilAsync(agent, "no problems", status => status.Problems.Count == 0);
        await machine.DeletePolicyAsync("app");
        await AllowedAsync(One, App);
    }

    [Fact]
    public async Task Certificate_OfTheServerExpired_IsToldAndTheLastStateStaysInForce()
    {
        var agent = await machine.StartAgentAsync();
        await ChangeAsync(agent, () => machine.PutPolicyAsync("app", Closed));
        machine.Api.StopServer();
        machine.Api.SetCertificate(isExpired: true);
        await machine.Api.StartServerAsync();
        await UntilAsync(agent, "the expiry is told", status => status.Problems.Any(problem => problem.Message.Contains("its certificate expired on", StringComparison.Ordinal)));
        await machine.AssertDeniedAsync(One, App);

        machine.Api.StopServer();
        machine.Api.SetCertificate(isExpired: false);
        await machine.Api.StartServerAsync();
        await UntilAsync(agent, "no problems", status => status.Problems.Count == 0);
        await machine.DeletePolicyAsync("app");
        await AllowedAsync(One, App);
    }

    [Fact]
    public async Task Agent_StartedBeforeTheServer_EnforcesOnceItIsThere()
    {
        await machine.PutPolicyAsync("app", Closed);
        machine.Api.StopServer();
        var agent = machine.LaunchAgent();
        var ready = agent.WaitReadyAsync(Cancellation);
        await machine.Api.StartServerAsync();
        var back = Stopwatch.GetTimestamp();

        await ready;

        Target.AtMost("converged after the server's return", Stopwatch.GetElapsedTime(back).TotalSeconds, 5, "s", output.WriteLine);
        await machine.AssertDeniedAsync(One, App);
    }

    /// <remarks>
    /// The network plugin waits until the agent polices the interface before it sets it up, so nothing may leak. How long the agent takes from
    /// the announcement is measured.
    /// </remarks>
    [Fact]
    public async Task FirstPacket_OfAPodWithoutAnAddressInItsStatus_IsJudged()
    {
        var agent = await machine.StartAgentAsync();
        await ChangeAsync(agent, () => machine.PutPolicyAsync("late", Isolated));
        var milliseconds = new List<double>();
        for (var round = 0; round < 10; round++)
        {
            var sent = await FirstPacketsAsync(agent, $"late-{round}", "late", () => milliseconds.Add(WaitUntilPoliced(agent).TotalMilliseconds));
            Assert.Equal(0, sent.Leaked);
        }

        milliseconds.Sort();
        output.WriteLine($"from the announcement to the kernel p50 {milliseconds[5]:F1} ms, most {milliseconds[^1]:F1} ms, asking included");
        Assert.True(milliseconds[5] < 100, $"p50 {milliseconds[5]:F1} ms");
    }

    /// <remarks>
    /// Nobody waits for anybody: the interface is set up right after it was announced, while the pod sends without pause, which no container does
    /// before its network is complete.
    /// </remarks>
    [Theory]
    [InlineData("standard", "ebpf")]
    [InlineData("strict", "ebpf")]
    [InlineData("standard", "iptables")]
    public async Task FirstPackets_OfAPodWiredAsTheVpcCniDoes_AreJudged(string mode, string datapath)
    {
        Assert.SkipWhen(
            datapath == "ebpf" && Environment.OSVersion.Version < new Version(6, 4),
            "on this kernel an interface is open until the programs are on it: no eBPF programs at netfilter's hooks (since 6.4)");
        var agent = await machine.StartAgentAsync($"enforcement: {{ mode: {mode} }}", datapath);
        await ChangeAsync(agent, () => machine.PutPolicyAsync("late", Isolated));
        await ChangeAsync(agent, () => machine.PutPolicyAsync("receiver", """{"podSelector":{"matchLabels":{"app":"client-two"}},"policyTypes":["Ingress"],"ingress":[{}]}"""));
        await ChangeAsync(agent, () => machine.PutPolicyAsync("free", """{"podSelector":{"matchLabels":{"app":"free"}},"policyTypes":["Egress"],"egress":[{}]}"""));
        Assert.NotEqual(0, (await FirstPacketsAsync(agent, "free", "free")).Leaked);

        var rounds = new List<FirstPackets>();
        for (var round = 0; round < 20; round++)
        {
            rounds.Add(await FirstPacketsAsync(agent, $"late-{round}", "late"));
        }

        Assert.All(rounds, sent => Assert.Equal(0, sent.Leaked));
    }

    private async Task<FirstPackets> FirstPacketsAsync(AgentProcess agent, string pod, string app, Action? announced = null)
    {
        var name = new NamespacedName("default", pod);
        await ChangeAsync(agent, () => machine.SchedulePodAsync(name, app));
        try
        {
            return await FirstPackets.SendAsync(machine.Cluster.Network, name, IpAddress.Parse("10.213.0.77"), IpAddress.Parse("10.213.0.12"), announced);
        }
        finally
        {
            await ChangeAsync(agent, () => machine.DeletePodAsync(name));
        }
    }

    private static TimeSpan WaitUntilPoliced(AgentProcess agent)
    {
        var announced = Stopwatch.GetTimestamp();
        UntilAsync(agent, "the interface is policed", status => status.EndpointsWithoutInterface == 0).GetAwaiter().GetResult();
        return Stopwatch.GetElapsedTime(announced);
    }

    private static void Signal(AgentProcess agent, string signal)
    {
        using var kill = Process.Start("kill", ["-" + signal, $"{agent.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>Changes something and waits until the kernel enforces it.</summary>
    private static async Task ChangeAsync(AgentProcess agent, Func<Task> change, int changes = 1)
    {
        var revision = (await agent.GetStatusAsync(Cancellation)).Revision;
        await change();
        await agent.WaitRevisionAsync(revision + changes, ChangeLimit, Cancellation);
    }

    /// <summary>How long after the API's answer each of twenty changes is in the kernel.</summary>
    private static async Task<List<double>> MeasureAsync(AgentProcess agent, Func<int, Task> change)
    {
        var milliseconds = new List<double>();
        for (var i = 0; i < 20; i++)
        {
            var revision = (await agent.GetStatusAsync(Cancellation)).Revision;
            await change(i);
            var answered = Stopwatch.GetTimestamp();
            await agent.WaitRevisionAsync(revision + 1, ChangeLimit, Cancellation);
            milliseconds.Add(Stopwatch.GetElapsedTime(answered).TotalMilliseconds);
        }

        return milliseconds;
    }

    private static async Task<bool> HoldsAsync(AgentProcess agent, Func<Host.Api.StatusDto, bool> condition)
    {
        try
        {
            return condition(await agent.GetStatusAsync(Cancellation));
        }
        catch (Host.CommandException)
        {
            // It has been started and does not answer yet.
            return false;
        }
    }

    private static async Task UntilAsync(AgentProcess agent, string what, Func<Host.Api.StatusDto, bool> condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(15));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!await HoldsAsync(agent, condition))
        {
            Assert.False(limit.IsCancellationRequested, $"waited 15 s until {what}");
            await timer.WaitForNextTickAsync(Cancellation);
        }
    }

    private Task AllowedAsync(string from, string to) => UntilAsync(from, to, ProbeOutcome.Allowed, TimeSpan.FromSeconds(10));

    private async Task UntilAsync(string from, string to, ProbeOutcome expected, TimeSpan limit)
    {
        var started = Stopwatch.GetTimestamp();
        while (await machine.ProbeAsync(from, to, TimeSpan.FromMilliseconds(300)) is var outcome && outcome != expected)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < limit, $"{from} to {to}: {outcome} instead of {expected} after {limit.TotalSeconds} s");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }
    }
}
