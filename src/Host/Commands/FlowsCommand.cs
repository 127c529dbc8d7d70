using System.Collections;
using System.CommandLine;
using System.Text.Json;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>flows</c>: verdicts of the running agent as they happen.</summary>
internal static class FlowsCommand
{
    /// <summary>Without <c>--follow</c>: what one look shows.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);

    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var follow = new Option<bool>("--follow", "-f") { Description = "go on until interrupted; without it, the next two seconds" };
        var denied = new Option<bool>("--denied") { Description = "only what was denied, or would be by policies in audit mode" };
        var command = new Command("flows", "Shows the running agent's verdicts as they happen, one a line.") { follow, denied, format };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new AgentClient(CommandLine.GetOptions(parsed, environment).Api.Socket);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            if (!parsed.GetValue(follow))
            {
                stop.CancelAfter(Look);
            }

            try
            {
                await foreach (var line in client.ReadLinesAsync($"/v1/flows?denied={(parsed.GetValue(denied) ? "true" : "false")}", stop.Token))
                {
                    await parsed.InvocationConfiguration.Output.WriteLineAsync(parsed.GetValue(format) == OutputFormat.Json ? line : Describe(line));
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Interrupted, or looked long enough: that is how following ends.
            }

            return ExitCode.Done;
        });
        return command;
    }

    private static string Describe(string line)
    {
        var flow = JsonSerializer.Deserialize(line, AgentJson.Default.FlowDto)!;
        var by = flow.Policy is { } policy
            ? $"{policy.Kind} {(policy.Namespace is null ? policy.Name : $"{policy.Namespace}/{policy.Name}")}{(policy.Rule is null ? string.Empty : $" rule {policy.Rule}")}"
            : flow.Reason;
        return $"{flow.Time:HH:mm:ss.fff} {flow.Verdict,-10} {flow.Direction,-7} {flow.Protocol,-6} {Describe(flow.Source)} -> {Describe(flow.Destination)}  {by}";
    }

    private static string Describe(FlowPeerDto peer)
    {
        var address = peer.Port == 0 ? peer.Ip : peer.Ip.Contains(':', StringComparison.Ordinal) ? $"[{peer.Ip}]:{peer.Port}" : $"{peer.Ip}:{peer.Port}";
        return peer.Name is null ? address : $"{peer.Namespace}/{peer.Name} ({address})";
    }
}
