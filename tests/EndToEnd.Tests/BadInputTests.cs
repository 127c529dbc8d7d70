using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>What a user gets wrong: one clear line, the right exit code, and nothing changed in the kernel. They need root.</summary>
public sealed class BadInputTests
{
    [Fact]
    public async Task Run_UnknownKeysAndBadValues_AllAreListedAndNothingChanges()
    {
        await using var machine = new Machine();

        var run = await machine.RunAsync("run", "--set", "enforcement.mod=strict", "--set", "enforcement.mode=lenient", "--set", "datapath.plugin=");

        Assert.Equal(2, run.ExitCode);
        Assert.Contains("enforcement.mod", run.Error, StringComparison.Ordinal);
        Assert.Contains("lenient", run.Error, StringComparison.Ordinal);
        Assert.Empty(machine.KernelState());
    }

    [Fact]
    public async Task Run_PluginFolderIsMissing_SaysSo()
    {
        await using var machine = new Machine();

        var run = await machine.RunAsync("run", "--set", "plugins.path=/nowhere/plugins");

        AssertRefused(machine, run, "/nowhere/plugins");
    }

    [Fact]
    public async Task Run_ConfigurationFileIsMissing_SaysSo()
    {
        await using var machine = new Machine();

        var run = await Executable.RunAsync(machine.Network.Node, "run", "--config", "/nowhere/portcullis.yaml");

        AssertRefused(machine, run, "/nowhere/portcullis.yaml");
    }

    [Fact]
    public async Task Run_NotRoot_SaysSo()
    {
        await using var machine = new Machine();
        File.SetUnixFileMode(machine.Folder.FullPath, (UnixFileMode)0b111_111_111);

        var run = await Executable.RunProgramAsync(
            machine.Network.Node, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", Executable.Path, "run", "--config", machine.Folder.Configuration);

        AssertRefused(machine, run, "root");
    }

    [Fact]
    public async Task Run_NotRootAndAnyDatapath_SaysSoWithoutAStack()
    {
        await using var machine = new Machine();
        File.SetUnixFileMode(machine.Folder.FullPath, (UnixFileMode)0b111_111_111);

        var run = await Executable.RunProgramAsync(
            machine.Network.Node,
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            Executable.Path,
            "run",
            "--config",
            machine.Folder.Configuration,
            "--set",
            "datapath.plugin=auto");

        Assert.True(run.ExitCode == 2, run.Error);
        Assert.Contains("root", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.Empty(machine.KernelState());
    }

    [Theory]
    [InlineData("-net_admin")]
    [InlineData("-bpf,-sys_admin")]
    [InlineData("-perfmon,-sys_admin")]
    public async Task Run_WithoutANeededCapability_NamesWhatIsNeeded(string bounds)
    {
        await using var machine = new Machine();

        var run = await Executable.RunProgramAsync(
            machine.Network.Node, "setpriv", $"--bounding-set={bounds}", Executable.Path, "run", "--config", machine.Folder.Configuration);

        AssertRefused(machine, run, "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
    }

    [Fact]
    public async Task Run_SocketFolderIsReadOnly_SaysSo()
    {
        await using var machine = new Machine();
        var folder = Path.Combine(machine.Folder.FullPath, "read-only");
        Directory.CreateDirectory(folder);

        var run = await Executable.RunProgramAsync(
            machine.Network.Node,
            "unshare",
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs -o ro none \"$2\" && exec \"$0\" run --config \"$1\" --set \"api.socket=$2/agent.sock\"",
            Executable.Path,
            machine.Folder.Configuration,
            folder);

        AssertRefused(machine, run, "Read-only file system");
    }

    [Fact]
    public async Task Run_MetricsPortIsInUse_SaysSoInOneLine()
    {
        await using var machine = new Machine();
        using var other = machine.Network.Node.Run(() =>
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            return listener;
        });

        var run = await machine.RunAsync("run", "--set", $"metrics.listen={other.LocalEndpoint}");

        AssertRefused(machine, run, $"{other.LocalEndpoint} is in use");
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("status")]
    [InlineData("wait")]
    [InlineData("cleanup")]
    public async Task Command_SocketOfAnotherUser_SaysSo(string command)
    {
        await using var machine = new Machine();
        File.SetUnixFileMode(machine.Folder.FullPath, (UnixFileMode)0b111_111_111);
        await machine.StartAgentAsync();

        var result = await Executable.RunProgramAsync(
            machine.Network.Node, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", Executable.Path, command, "--config", machine.Folder.Configuration);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(machine.Folder.Socket, Assert.Single(result.Error.Trim().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_NoBpfFileSystem_SaysHowToMountIt()
    {
        await using var machine = new Machine();

        var run = await Executable.RunProgramAsync(
            machine.Network.Node, "unshare", "--mount", "sh", "-c", "while umount /sys/fs/bpf 2>/dev/null; do :; done; exec \"$0\" run --config \"$1\"", Executable.Path, machine.Folder.Configuration);

        AssertRefused(machine, run, "mount -t bpf");
    }

    [Fact]
    public async Task Run_SocketOfAnotherAgent_SaysSo()
    {
        await using var machine = new Machine();
        await machine.StartAgentAsync();

        var run = await machine.RunAsync("run");

        Assert.Equal(2, run.ExitCode);
        Assert.Contains(machine.Folder.Socket, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_InstanceOfAnotherAgent_SaysSo()
    {
        await using var machine = new Machine();
        var agent = await machine.StartAgentAsync();

        var run = await machine.RunAsync("run", "--set", $"api.socket={machine.Folder.Socket}2");

        Assert.Equal(2, run.ExitCode);
        Assert.Contains($"instance {machine.Instance}", run.Error, StringComparison.Ordinal);
        Assert.Null(agent.ExitCode);
    }

    [Fact]
    public async Task Run_ManifestFolderIsMissing_IsReportedAndDoesNotHoldBackReady()
    {
        await using var machine = new Machine();
        Directory.Delete(machine.Folder.Manifests, recursive: true);

        var agent = await machine.StartAgentAsync();

        var status = await agent.GetStatusAsync(TestContext.Current.CancellationToken);
        Assert.Contains(status.Problems, problem => problem.ToString().Contains(machine.Folder.Manifests, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Policy_Malformed_IsReportedWithItsLineAndTheOthersAreEnforced()
    {
        await using var machine = new Machine();
        machine.Folder.Put("broken.yaml", """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: { namespace: default, name: broken }
            spec:
              podSelecter: {}
            """.Replace("podSelecter: {}", "podSelector: { matchLabels: { app: nobody } }\n  ingres: []", StringComparison.Ordinal));
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server"));

        var agent = await machine.StartAgentAsync();

        var status = await agent.GetStatusAsync(TestContext.Current.CancellationToken);
        var problem = Assert.Single(status.Problems, problem => problem.Severity == "error");
        Assert.EndsWith("broken.yaml", problem.File, StringComparison.Ordinal);
        Assert.Equal(6, problem.Line);
        Assert.Equal("NetworkPolicy default/broken", problem.Object);
        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
    }

    [Fact]
    public async Task Policy_Malformed_IsolatesWhatItSelects()
    {
        await using var machine = new Machine();
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server", "ingress: [ { from: [ { podSelecter: {} } ] } ]"));

        await machine.StartAgentAsync();

        await Machine.AssertDeniedAsync(machine.Client, machine.Server);
    }

    [Fact]
    public async Task Check_MalformedManifest_NamesFileAndLineAndExitsWithOne()
    {
        await using var machine = new Machine();
        machine.Folder.Put("server.yaml", Machine.ServerPolicy("server", "ingres: []"));

        var check = await Executable.RunAsync(null, "check", machine.Folder.Manifests, "-o", "json");

        Assert.Equal(1, check.ExitCode);
        using var json = JsonDocument.Parse(check.Output);
        var finding = Assert.Single(json.RootElement.GetProperty("findings").EnumerateArray().ToList(), f => f.GetProperty("severity").GetString() == "error");
        Assert.Equal(7, finding.GetProperty("line").GetInt32());
        Assert.Contains("ingress", finding.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static void AssertRefused(Machine machine, CommandResult run, string named)
    {
        Assert.True(run.ExitCode == 2, $"exit code {run.ExitCode}: {run.Error}");
        Assert.Single(run.Error.Trim().Split('\n'), line => line.Contains(named, StringComparison.Ordinal));
        Assert.Empty(machine.KernelState());
    }
}
