using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.Host.Demo;

/// <summary>The demo: a cluster of network namespaces, an agent that enforces the example policies in it, and real connections.</summary>
internal sealed class DemoRun(string datapath, string plugins, bool keep, DemoPrinter? printer)
{
    private const string Instance = "pc-demo";
    private const string Folder = "/run/portcullis-demo";
    private const string ClusterManifest = "cluster.yaml";
    private const string LockFile = "/run/portcullis-demo.lock";

    private static readonly TimeSpan EnforcementLimit = TimeSpan.FromSeconds(10);
    private static readonly string Executable = Path.Combine(AppContext.BaseDirectory, "portcullis");
    private static readonly string Examples = Path.Combine(AppContext.BaseDirectory, "examples", "demo");

    private readonly DemoScenario _scenario = DemoScenario.Load(Examples);

    /// <summary>Removes what a demo that was killed left behind.</summary>
    /// <returns>What was removed, one line each.</returns>
    /// <exception cref="CommandException">A demo is running.</exception>
    public static async Task<IReadOnlyList<string>> RemoveRemainsAsync(CancellationToken cancellationToken)
    {
        if (!Directory.Exists(Folder) && NetworkNamespace.List(Instance + "-").Count == 0)
        {
            return [];
        }

        using var exclusive = Lock();
        var removed = await RemoveRemainsLockedAsync(cancellationToken);
        BpfFileSystem.UnmountOwn();
        return removed;
    }

    /// <summary>Runs the scenario with IPv4 addresses, then with IPv6 addresses.</summary>
    /// <exception cref="CommandException">Not root, another demo is running, or the agent failed.</exception>
    public async Task<DemoReport> RunAsync(CancellationToken cancellationToken)
    {
        if (LibC.geteuid() != 0)
        {
            throw new CommandException(ExitCode.Usage, "the demo makes network namespaces and loads eBPF programs: run it as root");
        }

        using var exclusive = Lock();
        foreach (var line in await RemoveRemainsLockedAsync(cancellationToken))
        {
            await Console.Error.WriteLineAsync($"removed what an earlier demo left: {line}");
        }

        BpfFileSystem.MountIfMissing();
        DemoReport report;
        try
        {
            report = new DemoReport([
                await RunRoundAsync(IpFamily.IPv4, isKept: false, cancellationToken),
                await RunRoundAsync(IpFamily.IPv6, isKept: keep, cancellationToken),
            ]);
        }
        finally
        {
            BpfFileSystem.UnmountOwn();
        }

        printer?.PrintVerdict(report);
        if (keep)
        {
            await Console.Error.WriteLineAsync($$"""
                Kept: network namespaces {{string.Join(' ', NetworkNamespace.List(Instance + "-"))}}
                Manifests: {{Folder}}/manifests   agent: portcullis status --config {{Folder}}/portcullis.yaml
                The next demo, or portcullis cleanup --all, removes all of it.
                """);
        }

        return report;
    }

    private static SafeFileHandle Lock()
    {
        try
        {
            return File.OpenHandle(LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        }
        catch (IOException exception) when (File.Exists(LockFile))
        {
            throw new CommandException(
                ExitCode.Usage, $"another demo is running on this machine: wait for its end or stop it ({exception.Message})");
        }
    }

    private static async Task<IReadOnlyList<string>> RemoveRemainsLockedAsync(CancellationToken cancellationToken)
    {
        var removed = new List<string>();
        if (Directory.Exists(Folder))
        {
            // A kept agent lets go first; of a killed one only the pins are left.
            var configuration = Path.Combine(Folder, "portcullis.yaml");
            if (File.Exists(configuration))
            {
                await RunCleanupAsync(configuration, cancellationToken);
            }

            AgentFolder.Remove(Folder);
            removed.Add($"folder {Folder}");
        }

        removed.AddRange(PodNetwork.RemoveRemains(Instance).Select(name => $"network namespace {name}"));
        return removed;
    }

    private static async Task RunCleanupAsync(string configuration, CancellationToken cancellationToken)
    {
        var node = $"/run/netns/{Instance}-node";
        string[] command = [Executable, "cleanup", "--config", configuration];
        var start = File.Exists(node)
            ? new ProcessStartInfo("nsenter", [$"--net={node}", .. command])
            : new ProcessStartInfo(command[0], command[1..]);
        start.UseShellExecute = false;
        start.RedirectStandardOutput = true;
        using var process = Process.Start(start)!;
        await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        if (process.ExitCode != 0)
        {
            throw new CommandException(ExitCode.Failure, $"'portcullis cleanup --config {configuration}' ended with exit code {process.ExitCode}");
        }
    }

    private async Task<DemoRound> RunRoundAsync(IpFamily family, bool isKept, CancellationToken cancellationToken)
    {
        var cluster = await DemoCluster.CreateAsync(Instance, _scenario, family);
        var folder = new AgentFolder(Folder, _scenario.Node.Name, Instance, datapath, plugins);
        AgentProcess? agent = null;
        try
        {
            folder.Put(ClusterManifest, cluster.ToManifest());
            var started = Stopwatch.GetTimestamp();
            agent = AgentProcess.Start(Executable, cluster.Network.Node, folder, outlivesParent: isKept);
            await agent.WaitReadyAsync(cancellationToken);
            var ready = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            var status = await agent.GetStatusAsync(cancellationToken);
            printer?.PrintRound(_scenario, family, status.Datapath, ready);
            var results = await RunStepsAsync(cluster, agent, folder, cancellationToken);
            if (!isKept)
            {
                await agent.CleanupAsync(cancellationToken);
                agent.Dispose();
                agent = null;
                await EndAsync(folder, cluster);
            }

            return new DemoRound(family, status.Datapath, ready, results);
        }
        catch
        {
            await AbandonAsync(agent, folder, cluster);
            throw;
        }
    }

    private async Task<IReadOnlyList<DemoStepResult>> RunStepsAsync(
        DemoCluster cluster, AgentProcess agent, AgentFolder folder, CancellationToken cancellationToken)
    {
        var results = new List<DemoStepResult>();
        foreach (var step in _scenario.Steps)
        {
            var milliseconds = await ChangeAsync(step, agent, folder, cancellationToken);
            results.Add(new DemoStepResult(step.Title, milliseconds, await cluster.ProbeAsync(step, cancellationToken)));
            printer?.PrintStep(_scenario, results.Count - 1, results[^1]);
        }

        return results;
    }

    private static async Task<IReadOnlyList<double>> ChangeAsync(
        DemoStep step, AgentProcess agent, AgentFolder folder, CancellationToken cancellationToken)
    {
        var changes = new List<Action>();
        if (step.Apply is { } manifest)
        {
            // Two manifests of one policy differ in the number of their step only: the later replaces the earlier.
            var name = Path.GetFileName(manifest);
            name = name[(name.IndexOf('-', StringComparison.Ordinal) + 1)..];
            var staged = folder.Stage(name, await File.ReadAllTextAsync(Path.Combine(Examples, manifest), cancellationToken));
            changes.Add(() => folder.Publish(staged, name));
        }

        if (step.DeleteAll)
        {
            var policies = Directory.EnumerateFiles(folder.Manifests).Select(path => Path.GetFileName(path)).Where(name => name != ClusterManifest);
            changes.AddRange(policies.Order().Select(name => new Action(() => folder.Delete(name))));
        }

        var milliseconds = new List<double>();
        foreach (var change in changes)
        {
            var revision = (await agent.GetStatusAsync(cancellationToken)).Revision;
            var changed = Stopwatch.GetTimestamp();
            change();
            await agent.WaitRevisionAsync(revision + 1, EnforcementLimit, cancellationToken);
            milliseconds.Add(Stopwatch.GetElapsedTime(changed).TotalMilliseconds);
        }

        return milliseconds;
    }

    // Removes as much as it can: what went wrong first is what the user is told in the end.
    private static async Task AbandonAsync(AgentProcess? agent, AgentFolder folder, DemoCluster cluster)
    {
        // It may be starting: only when it is gone is what it put into the kernel all there will be.
        agent?.Dispose();
        try
        {
            await RunCleanupAsync(folder.Configuration, CancellationToken.None);
        }
        catch (Exception exception) when (exception is CommandException or IOException)
        {
            await Console.Error.WriteLineAsync($"portcullis: not everything of the demo could be removed: {exception.Message}");
        }

        await EndAsync(folder, cluster);
    }

    private static async Task EndAsync(AgentFolder folder, DemoCluster cluster)
    {
        folder.Dispose();
        await cluster.DisposeAsync();
    }
}
