using System.Globalization;
using System.Text.Json;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>
/// The datapath of a running agent is swapped under traffic. They need root. PORTCULLIS_SWITCHES is how often there and back (3),
/// PORTCULLIS_SWITCH_KILLS how often the agent is killed during a swap (4).
/// </summary>
public sealed class SwitchTests(ITestOutputHelper output)
{
    private const int PushPort = 7001;

    private static readonly int Rounds = Setting("PORTCULLIS_SWITCHES") ?? 3;
    private static readonly int Kills = Setting("PORTCULLIS_SWITCH_KILLS") ?? 4;

    /// <summary>What one swap may cost a stream, and a second without it.</summary>
    private const int MayLose = 2;
    private static readonly TimeSpan MayPause = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Switch_ThereAndBackUnderTraffic_LosesNothingAllowedAndPassesNothingDenied()
    {
        Root.Require("ipset", "iptables-restore");
        await using var world = new SurvivalWorld(new Random(1));
        using var agent = world.StartAgent();
        await agent.WaitReadyAsync(TestContext.Current.CancellationToken);
        await using var traffic = await SwitchTraffic.StartAsync(world, PushPort);
        await traffic.CheckAsync("before any switch", traffic.Lost, 0, MayPause);
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var datapath in new[] { "iptables", "ebpf" })
            {
                var lost = traffic.Lost;
                await SwitchAsync(world, datapath);
                await traffic.CheckAsync($"round {round}, to {datapath}", lost, MayLose, MayPause);
            }
        }

        await world.AssertVerdictsAsync();
        output.WriteLine($"{Rounds} times there and back: {traffic}");
        await traffic.CloseAsync();
    }

    [Fact]
    public async Task Switch_KilledInTheMiddle_NextStartEnforcesByTheConfiguredOneAlone()
    {
        Root.Require("ipset", "iptables-restore");
        var random = new Random(Setting("PORTCULLIS_SEED") ?? 1);
        await using var world = new SurvivalWorld(random);
        var node = world.Machine.Network.Node;
        await NetfilterState.AddForeignAsync(node);
        var foreign = await NetfilterState.SaveAsync(node);
        await using var denied = await DeniedOnceReadyAsync(world);
        for (var kill = 0; kill < Kills; kill++)
        {
            using var agent = world.StartAgent();
            await agent.WaitReadyAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, denied.Opened);
            var back = kill % 2 == 1;
            if (back)
            {
                await SwitchAsync(world, "iptables");
            }

            var switching = world.Machine.RunAsync("datapath", "switch", back ? "ebpf" : "iptables");
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(2200)), TimeProvider.System, TestContext.Current.CancellationToken);
            agent.Kill();
            await switching;
            Assert.Equal(0, denied.Opened);
        }

        using (var last = world.StartAgent())
        {
            await last.WaitReadyAsync(TestContext.Current.CancellationToken);
            await world.AssertVerdictsAsync();
            await SwitchAsync(world, "ebpf");
            Assert.Equal(foreign, await NetfilterState.SaveAsync(node));
            await SwitchAsync(world, "iptables");
            Assert.NotEqual(foreign, await NetfilterState.SaveAsync(node));
            Assert.DoesNotContain(world.Machine.KernelState(), line => line.Contains(world.Machine.Instance, StringComparison.Ordinal));
            await world.AssertVerdictsAsync();
            Assert.Equal(0, denied.Opened);
            last.Kill();
        }

        await denied.StopAsync();
        var cleanup = await world.Machine.RunAsync("cleanup");
        Assert.True(cleanup.ExitCode == 0, cleanup.Error);
        Assert.Equal(foreign, await NetfilterState.SaveAsync(node));
        Assert.Empty(world.Machine.KernelState());
    }

    [Fact]
    public async Task Switch_Followed_FlowsAndStatusAreTheNewDatapaths()
    {
        await using var machine = new Machine();
        machine.Folder.Put("deny.yaml", Machine.ServerPolicy("deny"));
        var agent = await machine.StartAgentAsync();
        using var follower = FlowFollower.Start(machine);

        Assert.Equal("default/deny", await follower.NextDenialAsync(() => Machine.AssertDeniedAsync(machine.Client, machine.Server)));
        await SwitchAsync(machine, "iptables");
        Assert.Equal("default/deny", await follower.NextDenialAsync(() => Machine.AssertDeniedAsync(machine.Client, machine.Server)));
        var status = await agent.GetStatusAsync(TestContext.Current.CancellationToken);
        Assert.Equal("iptables", status.Datapath.Plugin);
        Assert.StartsWith("switched: ", status.Datapath.Reason, StringComparison.Ordinal);
        await SwitchAsync(machine, "ebpf");
        Assert.Equal("default/deny", await follower.NextDenialAsync(() => Machine.AssertDeniedAsync(machine.Client, machine.Server)));
    }

    [Fact]
    public async Task Switch_TargetThatCannotRun_IsRefusedAndThePresentOneStays()
    {
        await using var machine = new Machine();
        machine.Folder.Put("deny.yaml", Machine.ServerPolicy("deny"));
        using var agent = AgentProcess.Start(Wrapper(machine, "mount -t tmpfs none /usr/sbin"), machine.Network.Node, machine.Folder);
        await agent.WaitReadyAsync(TestContext.Current.CancellationToken);

        var refused = await machine.RunAsync("datapath", "switch", "iptables");

        Assert.Equal(3, refused.ExitCode);
        Assert.Contains("install the package iptables", refused.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await machine.RunAsync("datapath", "switch", "nonsense")).ExitCode);
        Assert.Equal("ebpf", (await agent.GetStatusAsync(TestContext.Current.CancellationToken)).Datapath.Plugin);
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
        await SwitchAsync(machine, "ebpf");
    }

    [Fact]
    public async Task Auto_EbpfCannotRun_FallsBackAndSaysWhyInOneLine()
    {
        Root.Require("ipset", "iptables-restore");
        await using var machine = new Machine();
        var configuration = machine.Folder.Configuration;
        File.WriteAllText(configuration, File.ReadAllText(configuration).Replace("plugin: ebpf", "plugin: auto", StringComparison.Ordinal));
        machine.Folder.Put("deny.yaml", Machine.ServerPolicy("deny"));
        using var agent = AgentProcess.Start(Wrapper(machine, "mount -t tmpfs none /sys/fs/bpf"), machine.Network.Node, machine.Folder);
        await agent.WaitReadyAsync(TestContext.Current.CancellationToken);

        var datapath = (await agent.GetStatusAsync(TestContext.Current.CancellationToken)).Datapath;

        Assert.Equal("iptables", datapath.Plugin);
        Assert.Contains("ebpf: ", datapath.Reason, StringComparison.Ordinal);
        Assert.Single(File.ReadLines(machine.Folder.Log), line => line.Contains(datapath.Reason, StringComparison.Ordinal));
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
    }

    // The agent in a mount namespace of its own, where something is missing.
    private static string Wrapper(Machine machine, string mount)
    {
        var script = Path.Combine(machine.Folder.FullPath, "agent.sh");
        File.WriteAllText(script, $"#!/bin/sh\nexec unshare -m sh -c '{mount} && exec \"$0\" \"$@\"' {Executable.Path} \"$@\"\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return script;
    }

    private static async Task<DeniedStream> DeniedOnceReadyAsync(SurvivalWorld world)
    {
        using var first = world.StartAgent();
        await first.WaitReadyAsync(TestContext.Current.CancellationToken);
        first.Kill();
        return DeniedStream.Start(world.Stranger, world.Machine.Server, 80, 53);
    }

    private static Task SwitchAsync(SurvivalWorld world, string datapath) => SwitchAsync(world.Machine, datapath);

    private static async Task SwitchAsync(Machine machine, string datapath)
    {
        var result = await machine.RunAsync("datapath", "switch", datapath, "-o", "json");
        Assert.True(result.ExitCode == 0, $"switch to {datapath}: exit code {result.ExitCode}: {result.Error}\n{machine.Folder.LogTail()}");
        using var json = JsonDocument.Parse(result.Output);
        Assert.Equal(datapath, json.RootElement.GetProperty("datapath").GetProperty("plugin").GetString());
    }

    private static int? Setting(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
