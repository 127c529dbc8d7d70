using System.Diagnostics;
using Portcullis.Datapath.Conformance;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>The agent with the iptables datapath and programs that fail it. They need root.</summary>
public sealed class IptablesTests
{
    private const string FromClient = "ingress: [ { from: [ { podSelector: { matchLabels: { app: client } } } ] } ]";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData("nft", "iptables")]
    [InlineData("nft", "ip6tables")]
    [InlineData("legacy", "iptables")]
    [InlineData("legacy", "ip6tables")]
    public async Task Kill_BetweenSetsAndRules_ProtectsMeanwhileAndTheNextStartConverges(string backend, string beforeRulesOf)
    {
        await using var machine = new Machine();
        using var tools = new ToolFolder(backend);
        var node = machine.Network.Node;
        var folder = IptablesFolder(machine);
        folder.Put("deny.yaml", Machine.ServerPolicy("deny"));
        var agent = await machine.StartAgentAsync(folder, executable: tools.Executable);
        var (rules, sets) = await StateAsync(node, backend);
        Assert.NotEmpty(rules);

        tools.KillBeforeRules(beforeRulesOf);
        folder.Put("allow.yaml", Machine.ServerPolicy("allow", FromClient));
        await UntilAsync(() => agent.ExitCode is not null, "the agent's end");

        var (rulesAfter, setsAfter) = await StateAsync(node, backend);
        Assert.NotEmpty(setsAfter.Except(sets));
        if (beforeRulesOf == "iptables" && backend == "nft")
        {
            // One family after the other: none has the new rules yet, and what is denied still is.
            Assert.Equal(rules, rulesAfter);
            await Machine.AssertDeniedAsync(machine.Client, machine.Server);
        }

        tools.SpareAgain();
        var again = await machine.StartAgentAsync(folder, executable: tools.Executable);
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);
        Assert.Empty((await again.GetStatusAsync(TestContext.Current.CancellationToken)).Problems);
        await UntilAsync(() => AllSetsAreUsed(node, backend), "an end of the sets of the killed agent");
    }

    [Theory]
    [InlineData("nft")]
    [InlineData("legacy")]
    public async Task Kill_BeforeTheFirstRules_TheNextStartConverges(string backend)
    {
        await using var machine = new Machine();
        using var tools = new ToolFolder(backend);
        var node = machine.Network.Node;
        var folder = IptablesFolder(machine);
        folder.Put("deny.yaml", Machine.ServerPolicy("deny"));
        tools.KillBeforeRules();
        await Assert.ThrowsAnyAsync<Exception>(() => machine.StartAgentAsync(folder, executable: tools.Executable));
        Assert.NotEmpty((await StateAsync(node, backend)).Sets);

        tools.SpareAgain();
        await machine.StartAgentAsync(folder, executable: tools.Executable);

        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
        await UntilAsync(() => AllSetsAreUsed(node, backend), "an end of the sets of the killed agent");
    }

    [Theory]
    [InlineData("nft", true)]
    [InlineData("nft", false)]
    [InlineData("legacy", true)]
    [InlineData("legacy", false)]
    public async Task SctpPorts_ThatCannotBeMatched_OnlyTheirRulesAreClosedAndReported(string backend, bool canBeMatched)
    {
        await using var machine = new Machine();
        using var tools = new ToolFolder(backend);
        if (!canBeMatched)
        {
            tools.RefuseSctpPorts();
        }

        var folder = IptablesFolder(machine);
        folder.Put("some.yaml", Machine.ServerPolicy(
            "some", "ingress: [ { ports: [ { port: 7000, protocol: SCTP }, { port: 80 }, { port: 53, protocol: UDP } ] } ]"));

        var agent = await machine.StartAgentAsync(folder, executable: tools.Executable);

        var status = await agent.GetStatusAsync(TestContext.Current.CancellationToken);
        Assert.True(status.Ready);
        Assert.Contains($"the {backend} backend", status.Datapath.Reason, StringComparison.Ordinal);
        Assert.Equal(!canBeMatched, status.Problems.Any(problem =>
            problem.Message.Contains("SCTP", StringComparison.Ordinal) && problem.Object.Contains("default/some", StringComparison.Ordinal)));
        await Machine.AssertAllowedAsync(machine.Client, machine.Server);
        foreach (var family in new[] { IpFamily.IPv4, IpFamily.IPv6 })
        {
            Assert.Equal(
                canBeMatched ? ProbeOutcome.Allowed : ProbeOutcome.Denied,
                await Sockets.SctpAsync(machine.Client, machine.Server, family, 7000, Machine.DeniedLimit));
            Assert.Equal(ProbeOutcome.Denied, await Sockets.SctpAsync(machine.Client, machine.Server, family, 7001, Machine.DeniedLimit));
        }
    }

    [Theory]
    [InlineData("-net_raw", "CAP_NET_RAW")]
    [InlineData("-net_admin", "CAP_NET_ADMIN")]
    public async Task Run_WithoutACapability_NamesIt(string bounds, string missing)
    {
        await using var machine = new Machine();
        var folder = IptablesFolder(machine);

        var run = await Executable.RunProgramAsync(
            machine.Network.Node, "setpriv", $"--bounding-set={bounds}", $"--inh-caps={bounds}", Executable.Path, "run", "--config", folder.Configuration);

        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains(missing, run.Error, StringComparison.Ordinal);
        Assert.Contains("run it as root", run.Error, StringComparison.Ordinal);
    }

    private static AgentFolder IptablesFolder(Machine machine)
    {
        var folder = machine.AddFolder("i", "iptables");
        folder.Put("pods.yaml", Machine.PodManifest(machine.Client) + Machine.PodManifest(machine.Server));
        return folder;
    }

    private static async Task<(string Rules, IReadOnlyList<string> Sets)> StateAsync(NetworkNamespace node, string backend)
    {
        var rules = await Executable.RunProgramAsync(node, "sh", "-c", $"iptables-{backend}-save; ip6tables-{backend}-save");
        var sets = await Executable.RunProgramAsync(node, "ipset", "list", "-n");
        var own = rules.Output.Split('\n').Where(line => line.StartsWith("-A", StringComparison.Ordinal) && line.Contains("pcl.", StringComparison.Ordinal));
        return (string.Join('\n', own), sets.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private static bool AllSetsAreUsed(NetworkNamespace node, string backend)
    {
        var (rules, sets) = StateAsync(node, backend).GetAwaiter().GetResult();
        return sets.All(set => rules.Contains($" {set} ", StringComparison.Ordinal));
    }

    private static async Task UntilAsync(Func<bool> condition, string missing)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, $"not within {Patience.TotalSeconds} s: {missing}");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    }
}
