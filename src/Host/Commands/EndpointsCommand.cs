using System.Collections;
using System.CommandLine;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>endpoints</c>: the local workloads as the running agent enforces them.</summary>
internal static class EndpointsCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var command = new Command("endpoints", "Lists the local workloads and how the running agent polices them.") { format };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new AgentClient(CommandLine.GetOptions(parsed, environment).Api.Socket);
            var answer = await client.SendAsync(HttpMethod.Get, "/v1/endpoints", AgentJson.Default.EndpointsDto, cancellationToken);
            var output = parsed.InvocationConfiguration.Output;
            await (parsed.GetValue(format) == OutputFormat.Json
                ? Output.WriteJsonAsync(output, answer, AgentJson.Default.EndpointsDto)
                : Output.WriteTableAsync(output, ["WORKLOAD", "INTERFACE", "SIDE", "ADDRESSES", "INGRESS", "EGRESS"], [.. answer.Endpoints.Select(Row)]));
            return ExitCode.Done;
        });
        return command;
    }

    private static string[] Row(EndpointDto endpoint) =>
    [
        $"{endpoint.Namespace}/{endpoint.Name}",
        endpoint.InterfaceIndex is null ? $"{endpoint.Interface ?? "?"} (absent)" : endpoint.Interface!,
        endpoint.Side,
        string.Join(',', endpoint.Addresses),
        endpoint.IngressPoliced ? "policed" : "open",
        endpoint.EgressPoliced ? "policed" : "open",
    ];
}
