using System.Diagnostics;
using Portcullis.Host.Api;
using Portcullis.Host.Native;

namespace Portcullis.Host.Demo;

/// <summary>An agent that runs as a child process inside a network namespace, with a configuration file.</summary>
public sealed class AgentProcess : IDisposable
{
    private static readonly TimeSpan ReadyLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(10);

    private readonly Process _process;
    private readonly Thread _parent;
    private readonly AgentFolder _folder;
    private readonly AgentClient _client;

    private AgentProcess(Process process, Thread parent, AgentFolder folder)
    {
        _process = process;
        _parent = parent;
        _folder = folder;
        _client = new AgentClient(folder.Socket);
    }

    /// <summary>The exit code; null while it runs.</summary>
    public int? ExitCode => _process.HasExited ? _process.ExitCode : null;

    /// <summary>Its process number.</summary>
    public int Id => _process.Id;

    /// <summary>Starts one. It dies with this process, unless it is to be left running.</summary>
    /// <param name="executable">The executable <c>portcullis</c>.</param>
    /// <param name="network">Where it runs.</param>
    /// <param name="folder">Its configuration, socket and log.</param>
    /// <param name="outlivesParent">Whether it goes on when this process is gone.</param>
    public static AgentProcess Start(string executable, NetworkNamespace network, AgentFolder folder, bool outlivesParent = false)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(folder);
        var deathSignal = outlivesParent ? string.Empty : "setpriv --pdeathsig KILL ";
        var start = new ProcessStartInfo(
            "/bin/sh", ["-c", $"exec {deathSignal}setsid \"$1\" run --config \"$2\" >>\"$3\" 2>&1", "sh", executable, folder.Configuration, folder.Log]);
        foreach (var name in start.Environment.Keys.Where(IsSetting).ToList())
        {
            start.Environment.Remove(name);
        }

        // The kernel sends the death signal when the thread that made the child ends, so this one stays as long as the child does.
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        var parent = new Thread(() =>
        {
            try
            {
                network.Enter();
                var process = Process.Start(start)!;
                started.SetResult(process);
                process.WaitForExit();
            }
            catch (Exception exception) when (started.TrySetException(exception))
            {
                // Whoever waits for the start gets it.
            }
        }) { IsBackground = true, Name = "agent" };
        parent.Start();
        return new AgentProcess(started.Task.GetAwaiter().GetResult(), parent, folder);
    }

    /// <summary>Waits until it enforces what its manifests say.</summary>
    /// <exception cref="IOException">It is not ready in time; the message has the end of its log.</exception>
    /// <exception cref="CommandException">It ended, with its exit code when that says that the environment lacks something.</exception>
    public async Task WaitReadyAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ReadyLimit);
        string? refusal = null;
        try
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
            while (true)
            {
                ThrowIfEnded();
                try
                {
                    if (AgentClient.IsRunning(_folder.Socket) && (await GetStatusAsync($"/v1/wait?timeoutMs={ReadyLimit.TotalMilliseconds:F0}", limit.Token)).Ready)
                    {
                        return;
                    }
                }
                catch (CommandException exception)
                {
                    // A program that a killed predecessor was about to start holds its socket until it runs: that answers nobody.
                    refusal = $": {exception.Message}";
                }

                await timer.WaitForNextTickAsync(limit.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw Failure($"the agent is not ready after {ReadyLimit.TotalSeconds:F0} s{refusal}");
        }
    }

    /// <summary>Stops it as a service manager does and waits for its end; enforcement stays.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="IOException">It does not end in time.</exception>
    public int Stop()
    {
        if (!_process.HasExited)
        {
            _ = LibC.kill(_process.Id, LibC.SIGTERM);
            if (!_process.WaitForExit(StopLimit))
            {
                throw Failure($"the agent does not end within {StopLimit.TotalSeconds:F0} s of SIGTERM");
            }
        }

        return _process.ExitCode;
    }

    /// <summary>Kills it; enforcement stays.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Forgets it without ending it.</summary>
    public void Leave() => _client.Dispose();

    /// <summary>Ends it if it still runs.</summary>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }

        _parent.Join();
        _client.Dispose();
        _process.Dispose();
    }

    /// <summary>Its status.</summary>
    internal Task<StatusDto> GetStatusAsync(CancellationToken cancellationToken) => GetStatusAsync("/v1/status", cancellationToken);

    /// <summary>Waits until a revision is in the kernel.</summary>
    /// <exception cref="IOException">It is not in time; the message has the end of the log.</exception>
    internal async Task WaitRevisionAsync(long revision, TimeSpan limit, CancellationToken cancellationToken)
    {
        var status = await GetStatusAsync($"/v1/wait?revision={revision}&timeoutMs={limit.TotalMilliseconds:F0}", cancellationToken);
        if (status.AppliedRevision < revision)
        {
            throw Failure($"revision {revision} is not enforced after {limit.TotalSeconds:F0} s but {status.AppliedRevision}");
        }
    }

    /// <summary>Lets it remove everything it put into the kernel, and waits for its end.</summary>
    /// <exception cref="CommandException">It could not.</exception>
    internal async Task CleanupAsync(CancellationToken cancellationToken)
    {
        await _client.SendAsync(HttpMethod.Post, "/v1/cleanup", AgentJson.Default.CleanupDto, cancellationToken);
        if (!_process.WaitForExit(StopLimit))
        {
            throw Failure($"the agent does not end within {StopLimit.TotalSeconds:F0} s of its cleanup");
        }
    }

    private Task<StatusDto> GetStatusAsync(string path, CancellationToken cancellationToken) =>
        _client.SendAsync(HttpMethod.Get, path, AgentJson.Default.StatusDto, cancellationToken);

    private void ThrowIfEnded()
    {
        if (_process.HasExited)
        {
            var code = _process.ExitCode == Host.ExitCode.Usage ? Host.ExitCode.Usage : Host.ExitCode.Failure;
            throw new CommandException(code, Failure($"the agent ended with exit code {_process.ExitCode}").Message);
        }
    }

    private IOException Failure(string what) => new($"{what}; the end of its log:\n{_folder.LogTail()}");

    private static bool IsSetting(string variable) =>
        variable.StartsWith("PORTCULLIS__", StringComparison.OrdinalIgnoreCase) || variable == "NODE_NAME";
}
