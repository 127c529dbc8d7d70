using System.Collections;
using System.CommandLine;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>explain</c>: whether one reaches another, and what decided.</summary>
internal static class ExplainCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var paths = new Argument<string[]>("PATH") { Description = "manifest files, or folders of them; none: asks the running agent", Arity = ArgumentArity.ZeroOrMore };
        var from = new Option<string>("--from") { Description = "namespace/name, an address, or node", HelpName = "REF", Required = true };
        var to = new Option<string>("--to") { Description = "namespace/name, an address, or node", HelpName = "REF", Required = true };
        var port = new Option<string>("--port") { Description = "destination port and protocol", HelpName = "80/TCP", Required = true };
        var command = new Command("explain", "Tells whether one reaches another, and which policy, rule and line decided. 1 when denied.") { paths, from, to, port, format };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var named = parsed.GetValue(paths) ?? [];
            var probe = Judgement.ParsePort(parsed.GetValue(port)!);
            ExplainDto answer;
            if (named.Length > 0)
            {
                var (world, options) = await ManifestWorld.ReadAsync(parsed, environment, named);
                answer = Judgement.Explain(world, options, parsed.GetValue(from)!, parsed.GetValue(to)!, probe);
            }
            else
            {
                using var client = new AgentClient(CommandLine.GetOptions(parsed, environment).Api.Socket);
                var query = $"from={Uri.EscapeDataString(parsed.GetValue(from)!)}&to={Uri.EscapeDataString(parsed.GetValue(to)!)}&port={Uri.EscapeDataString(probe.ToString())}";
                answer = await client.SendAsync(HttpMethod.Get, $"/v1/explain?{query}", JudgementJson.Default.ExplainDto, cancellationToken);
            }

            await (parsed.GetValue(format) == OutputFormat.Json
                ? Output.WriteJsonAsync(parsed.InvocationConfiguration.Output, answer, JudgementJson.Default.ExplainDto)
                : WriteAsync(parsed.InvocationConfiguration.Output, answer));
            return answer.Allowed ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }

    private static async Task WriteAsync(TextWriter output, ExplainDto answer)
    {
        await output.WriteLineAsync($"{answer.From} -> {answer.To} {answer.Port}/{answer.Protocol} ({answer.Family}): {Word(answer.Allowed)}");
        await output.WriteLineAsync($"  egress   {Describe(answer.Egress)}");
        await output.WriteLineAsync($"  ingress  {Describe(answer.Ingress)}");
    }

    private static string Describe(DirectionDto direction)
    {
        var by = direction.DecidedBy is { } decision
            ? $" by {decision.Kind} {(decision.Namespace is null ? decision.Name : $"{decision.Namespace}/{decision.Name}")}"
                + (decision.Rule is null ? string.Empty : $" rule {decision.Rule}")
                + (decision.File is null ? string.Empty : $" ({decision.File}:{decision.Line})")
            : string.Empty;
        return $"{Word(direction.Allowed)}{by}: {direction.Reason}";
    }

    private static string Word(bool allowed) => allowed ? "allowed" : "denied";
}
