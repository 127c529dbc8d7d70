using System.Collections;
using System.CommandLine;
using System.Globalization;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>wait</c>: returns when the running agent has reached something.</summary>
internal static class WaitCommand
{
    private const string RevisionPrefix = "revision=";

    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var goal = new Option<string>("--for")
        {
            Description = "ready: the source's state is enforced; revision=N: that revision is in the kernel",
            HelpName = "ready|revision=N",
            DefaultValueFactory = _ => "ready",
        };
        var timeout = new Option<string>("--timeout")
        {
            Description = "how long to wait, for example 500ms, 10s, 2m",
            HelpName = "duration",
            DefaultValueFactory = _ => "10s",
        };
        var command = new Command("wait", "Returns when the running agent is ready or has enforced a revision; 1 on timeout.") { goal, timeout, format };
        command.SetAction((parsed, cancellationToken) => WaitAsync(
            CommandLine.GetOptions(parsed, environment).Api.Socket,
            ParseGoal(parsed.GetValue(goal)!),
            Duration.Parse(parsed.GetValue(timeout)!),
            parsed.InvocationConfiguration,
            parsed.GetValue(format),
            cancellationToken));
        return command;
    }

    private static long? ParseGoal(string text)
    {
        if (text is "ready")
        {
            return null;
        }

        return text.StartsWith(RevisionPrefix, StringComparison.Ordinal)
            && long.TryParse(text.AsSpan(RevisionPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var revision)
            ? revision
            : throw new CommandException(ExitCode.Usage, [$"--for {text}: expected ready or revision=N"]);
    }

    /// <summary>Waits for the agent to appear, too: scripts start it in the background and then wait.</summary>
    private static async Task<int> WaitAsync(
        string socket, long? revision, TimeSpan timeout, InvocationConfiguration io, OutputFormat format, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var start = time.GetTimestamp();
        while (!AgentClient.IsRunning(socket))
        {
            if (time.GetElapsedTime(start) >= timeout)
            {
                throw new CommandException(ExitCode.No, [$"no agent answers at {socket} after {timeout.TotalSeconds:0.###} s"]);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10), time, cancellationToken);
        }

        using var client = new AgentClient(socket);
        var left = timeout - time.GetElapsedTime(start);
        var milliseconds = Math.Max(0, (long)left.TotalMilliseconds);
        var query = revision is null ? string.Empty : $"&revision={revision}";
        var status = await client.SendAsync(HttpMethod.Get, $"/v1/wait?timeoutMs={milliseconds}{query}", AgentJson.Default.StatusDto, cancellationToken);
        var holds = revision is null ? status.Ready : status.Source.Synced && status.AppliedRevision >= revision;
        if (format == OutputFormat.Json)
        {
            await StatusCommand.WriteAsync(io.Output, status, format);
        }

        if (!holds)
        {
            var reached = $"ready: {(status.Ready ? "yes" : "no")}, revision in the kernel: {status.AppliedRevision}";
            throw new CommandException(ExitCode.No, [$"not reached within {timeout.TotalSeconds:0.###} s ({reached})", .. status.Problems.Select(FindingText.Of)]);
        }

        return ExitCode.Done;
    }
}
