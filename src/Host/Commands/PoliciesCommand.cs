using System.Collections;
using System.CommandLine;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>policies</c>: the policies the running agent knows.</summary>
internal static class PoliciesCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var command = new Command("policies", "Lists the policies the running agent knows.") { format };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new AgentClient(CommandLine.GetOptions(parsed, environment).Api.Socket);
            var answer = await client.SendAsync(HttpMethod.Get, "/v1/policies", AgentJson.Default.PoliciesDto, cancellationToken);
            var output = parsed.InvocationConfiguration.Output;
            await (parsed.GetValue(format) == OutputFormat.Json
                ? Output.WriteJsonAsync(output, answer, AgentJson.Default.PoliciesDto)
                : Output.WriteTableAsync(output, ["KIND", "NAME", "DIRECTIONS", "STATE", "FROM"], [.. answer.Policies.Select(Row)]));
            return ExitCode.Done;
        });
        return command;
    }

    private static string[] Row(PolicyDto policy) =>
    [
        policy.Tier is null ? policy.Kind : $"{policy.Kind} ({policy.Tier} {policy.Priority})",
        policy.Namespace is null ? policy.Name : $"{policy.Namespace}/{policy.Name}",
        string.Join(',', policy.Directions),
        policy.Defect is not null ? $"closed: {policy.Defect}" : policy.Audit ? "audit" : "enforced",
        policy.File is null ? string.Empty : $"{policy.File}:{policy.Line}",
    ];
}
