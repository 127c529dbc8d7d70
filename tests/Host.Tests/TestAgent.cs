using System.Diagnostics;
using Xunit;

namespace Portcullis.Host.Tests;

/// <summary>The built executable with the test plugins, in a folder of its own: no privileges, no kernel.</summary>
internal sealed class TestAgent : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pc-host-agent-");
    private Process? _agent;

    public TestAgent()
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        foreach (var plugin in new[] { "GoodSource", "GoodDatapath" })
        {
            var target = Directory.CreateDirectory(Path.Combine(_folder.FullName, "plugins", plugin)).FullName;
            foreach (var file in Directory.GetFiles(Path.Combine(here.Parent!.Parent!.FullName, plugin, here.Name)))
            {
                File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
            }
        }
    }

    public string Socket => Path.Combine(_folder.FullName, "run", "agent.sock");

    public string State => Path.Combine(_folder.FullName, "kernel");

    public string Plugins => Path.Combine(_folder.FullName, "plugins");

    /// <summary>Starts the agent and waits until it is ready.</summary>
    public async Task StartAsync(params string[] sets)
    {
        _agent = Start(["run", .. Arguments(sets)]);
        var (code, _, error) = await RunAsync(["wait", "--timeout", "30s"], sets);
        Assert.True(code == 0, error);
    }

    /// <summary>Sends SIGTERM and returns the agent's exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{_agent!.Id}"]);
        await kill.WaitForExitAsync();
        return await ExitAsync();
    }

    /// <summary>Waits for the agent to end by itself.</summary>
    public async Task<int> ExitAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        await _agent!.WaitForExitAsync(deadline.Token);
        return _agent.ExitCode;
    }

    /// <summary>Runs one command with the agent's settings.</summary>
    public Task<(int Code, string Output, string Error)> RunAsync(params string[] command) => RunAsync(command, []);

    /// <summary>Runs one command with the agent's settings and more.</summary>
    public async Task<(int Code, string Output, string Error)> RunAsync(string[] command, string[] sets)
    {
        using var process = Start([.. command, .. Arguments(sets)]);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(Patience);
        await process.WaitForExitAsync(deadline.Token);
        return (process.ExitCode, await output, await error);
    }

    public async ValueTask DisposeAsync()
    {
        if (_agent is { HasExited: false })
        {
            _agent.Kill();
            await _agent.WaitForExitAsync();
        }

        _agent?.Dispose();
        _folder.Delete(recursive: true);
    }

    private IEnumerable<string> Arguments(string[] sets)
    {
        string[] all =
        [
            $"plugins.path={Plugins}", $"api.socket={Socket}", "metrics.listen=", "source.plugin=good", $"datapath.good.state={State}",
            "node.instance=pc-host-test", .. sets,
        ];
        return all.SelectMany(set => new[] { "--set", set });
    }

    private static Process Start(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "portcullis"))
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }
}
