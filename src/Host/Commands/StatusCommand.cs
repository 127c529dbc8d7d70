using System.Collections;
using System.CommandLine;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>status</c>: what the running agent has reached.</summary>
internal static class StatusCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var command = new Command("status", "Shows what the running agent has reached.") { format };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new AgentClient(CommandLine.GetOptions(parsed, environment).Api.Socket);
            var status = await client.SendAsync(HttpMethod.Get, "/v1/status", AgentJson.Default.StatusDto, cancellationToken);
            await WriteAsync(parsed.InvocationConfiguration.Output, status, parsed.GetValue(format));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Prints a status.</summary>
    public static async Task WriteAsync(TextWriter output, StatusDto status, OutputFormat format)
    {
        if (format == OutputFormat.Json)
        {
            await Output.WriteJsonAsync(output, status, AgentJson.Default.StatusDto);
            return;
        }

        await output.WriteLineAsync($"ready      {(status.Ready ? "yes" : "no")}");
        await output.WriteLineAsync($"revision   {status.Revision}, in the kernel {status.AppliedRevision}");
        await output.WriteLineAsync($"mode       {status.Mode}");
        await output.WriteLineAsync($"node       {status.Node}, instance {status.Instance}");
        await output.WriteLineAsync($"datapath   {status.Datapath.Plugin} ({status.Datapath.Reason})");
        await output.WriteLineAsync($"source     {status.Source.Plugin}, {(status.Source.Synced ? "synced" : "not synced yet")}");
        await output.WriteLineAsync($"endpoints  {status.Endpoints}, without interface {status.EndpointsWithoutInterface}");
        await output.WriteLineAsync($"policies   {status.Policies}");
        await output.WriteLineAsync($"problems   {status.Problems.Count}");
        foreach (var problem in status.Problems)
        {
            await output.WriteLineAsync($"  {FindingText.Of(problem)}");
        }
    }
}
