using System.Diagnostics;
using System.Globalization;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>
/// The agent is killed again and again while its world changes. They need root. PORTCULLIS_KILLS is how often (5),
/// PORTCULLIS_SEED repeats a run's choices.
/// </summary>
public sealed class SurvivalTests(ITestOutputHelper output)
{
    private static readonly int Kills = Setting("PORTCULLIS_KILLS") ?? 5;
    private static readonly TimeSpan Busy = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Rare = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Agent_KilledAtAnyMoment_AllowedConnectionsLiveAndDeniedOnesNeverOpen()
    {
        var seed = Setting("PORTCULLIS_SEED") ?? Environment.TickCount;
        output.WriteLine($"seed {seed}, {Kills} kills");
        var random = new Random(seed);
        await using var world = new SurvivalWorld(random);
        var connections = new List<LiveConnection>();
        try
        {
            await RunAsync(world, random, connections);
        }
        catch (Exception exception) when (exception is InvalidOperationException or IOException)
        {
            Assert.Fail($"seed {seed}: {exception.Message}\n{world.Machine.Folder.LogTail()}");
        }
        finally
        {
            foreach (var connection in connections)
            {
                await connection.DisposeAsync();
            }
        }
    }

    private async Task RunAsync(SurvivalWorld world, Random random, List<LiveConnection> connections)
    {
        using (var first = world.StartAgent())
        {
            await first.WaitReadyAsync(TestContext.Current.CancellationToken);
            await OpenAsync(world, connections, "opened before the first kill");
            first.Kill();
        }

        await using var denied = DeniedStream.Start(world.Stranger, world.Machine.Server, 80, 53);
        await using var deniedBack = DeniedStream.Start(world.Machine.Server, world.Stranger, 80, 53);
        var started = Stopwatch.GetTimestamp();
        for (var kill = 0; kill < Kills; kill++)
        {
            using var agent = world.StartAgent();
            var isReady = kill % 3 != 0;
            if (isReady)
            {
                await agent.WaitReadyAsync(TestContext.Current.CancellationToken);
            }

            if (kill % Math.Max(5, Kills / 8) == 1)
            {
                await OpenAsync(world, connections, $"opened before kill {kill}");
            }

            await ChangeForAsync(world, TimeSpan.FromMilliseconds(random.Next(isReady ? 120 : 700)));
            agent.Kill();
            Assert.True(denied.Opened + deniedBack.Opened == 0, $"kill {kill}: {denied.Opened + deniedBack.Opened} denied attempts were answered");
            foreach (var broken in connections.Where(connection => !connection.IsAlive))
            {
                await broken.CloseAsync();
            }
        }

        output.WriteLine($"{Kills} kills in {Stopwatch.GetElapsedTime(started).TotalSeconds:F0} s");
        var survived = await EndStateAsync(world);
        await denied.StopAsync();
        await deniedBack.StopAsync();
        Assert.Equal(0, denied.Opened + deniedBack.Opened);
        output.WriteLine($"{File.ReadLines(world.Machine.Folder.Log).Count(line => line.Contains("larger generation", StringComparison.Ordinal))} growths");

        var cleanup = await world.Machine.RunAsync("cleanup");
        Assert.True(cleanup.ExitCode == 0, cleanup.Error);
        Assert.Empty(world.Machine.KernelState());
        Assert.Equal(await EndStateAsync(world), survived);
        foreach (var connection in connections)
        {
            await connection.ExchangeOnceMoreAsync();
            await connection.CloseAsync();
        }

        output.WriteLine($"{connections.Count} connections, {connections.Sum(connection => connection.Exchanges)} exchanges; {denied.Tried + deniedBack.Tried} denied attempts");
    }

    /// <summary>What an agent comes to that is started now, once it judges as policy says.</summary>
    private static async Task<string> EndStateAsync(SurvivalWorld world)
    {
        using var agent = world.StartAgent();
        await agent.WaitReadyAsync(TestContext.Current.CancellationToken);
        await world.AssertVerdictsAsync();
        var state = await world.KernelStateAsync();
        agent.Kill();
        return state;
    }

    private static async Task OpenAsync(SurvivalWorld world, List<LiveConnection> connections, string name)
    {
        foreach (var family in new[] { IpFamily.IPv4, IpFamily.IPv6 })
        {
            connections.Add(await world.ConnectAsync(family, Busy, $"busy {family} connection {name}"));
        }

        connections.Add(await world.ConnectAsync(IpFamily.IPv4, Rare, $"quiet connection {name}"));
    }

    private static async Task ChangeForAsync(SurvivalWorld world, TimeSpan time)
    {
        var started = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(3));
        do
        {
            world.Change();
        }
        while (Stopwatch.GetElapsedTime(started) < time && await timer.WaitForNextTickAsync());
    }

    private static int? Setting(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
