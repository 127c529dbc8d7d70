using System.Collections;
using System.CommandLine;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>datapath switch</c>: swaps the running agent's datapath.</summary>
internal static class DatapathCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var name = new Argument<string>("datapath") { Description = "the datapath to use from now on: ebpf or iptables" };
        var format = Output.CreateOption();
        var change = new Command("switch", "Swaps the running agent's datapath without letting a denied packet through.") { name, format };
        change.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new AgentClient(CommandLine.GetOptions(parsed, environment).Api.Socket);
            var path = $"/v1/datapath/switch?to={Uri.EscapeDataString(parsed.GetValue(name)!)}";
            var status = await client.SendAsync(HttpMethod.Post, path, AgentJson.Default.StatusDto, cancellationToken);
            var output = parsed.InvocationConfiguration.Output;
            await (parsed.GetValue(format) == OutputFormat.Json
                ? Output.WriteJsonAsync(output, status, AgentJson.Default.StatusDto)
                : output.WriteLineAsync($"datapath {status.Datapath.Plugin} enforces revision {status.AppliedRevision}"));
            return ExitCode.Done;
        });
        return new Command("datapath", "Commands about the running agent's datapath.") { change };
    }
}
