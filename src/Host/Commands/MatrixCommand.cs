using System.Collections;
using System.CommandLine;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>matrix</c>: who reaches whom, by manifests or by the running agent's world.</summary>
internal static class MatrixCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var paths = new Argument<string[]>("PATH") { Description = "manifest files, or folders of them; none: the running agent's", Arity = ArgumentArity.ZeroOrMore };
        var ports = new Option<string[]>("--port")
        {
            Description = "port and protocol to probe; may be repeated",
            HelpName = "80/TCP",
            DefaultValueFactory = _ => ["80/TCP"],
        };
        var command = new Command("matrix", "Shows who reaches whom.") { paths, ports, format };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var named = parsed.GetValue(paths) ?? [];
            var probes = parsed.GetValue(ports)!.Select(Judgement.ParsePort).Distinct().ToList();
            MatrixDto matrix;
            if (named.Length > 0)
            {
                var (world, options) = await ManifestWorld.ReadAsync(parsed, environment, named);
                matrix = Judgement.BuildMatrix(world, options, probes);
            }
            else
            {
                using var client = new AgentClient(CommandLine.GetOptions(parsed, environment).Api.Socket);
                var query = string.Join('&', probes.Select(probe => $"port={Uri.EscapeDataString(probe.ToString())}"));
                matrix = await client.SendAsync(HttpMethod.Get, $"/v1/matrix?{query}", JudgementJson.Default.MatrixDto, cancellationToken);
            }

            await (parsed.GetValue(format) == OutputFormat.Json
                ? Output.WriteJsonAsync(parsed.InvocationConfiguration.Output, matrix, JudgementJson.Default.MatrixDto)
                : WriteAsync(parsed.InvocationConfiguration.Output, matrix));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task WriteAsync(TextWriter output, MatrixDto matrix)
    {
        foreach (var table in matrix.Probes.GroupBy(probe => (probe.Protocol, probe.Port, probe.Family)))
        {
            await output.WriteLineAsync($"{table.Key.Port}/{table.Key.Protocol} {table.Key.Family}: rows reach columns, + allowed, . denied");
            var names = table.SelectMany(probe => new[] { probe.From, probe.To }).Distinct().Order(StringComparer.Ordinal).ToList();
            var cells = table.ToDictionary(probe => (probe.From, probe.To), probe => probe.Allowed ? "+" : ".");
            var width = names.Max(name => name.Length);
            var columns = $"{names.Count}".Length + 1;
            await output.WriteLineAsync($"{new string(' ', width + columns + 1)}{string.Concat(names.Select((_, i) => $"{i + 1}".PadLeft(columns)))}");
            for (var i = 0; i < names.Count; i++)
            {
                var row = string.Concat(names.Select(to => cells.GetValueOrDefault((names[i], to), " ").PadLeft(columns)));
                await output.WriteLineAsync($"{$"{i + 1}".PadLeft(columns)} {names[i].PadRight(width)}{row}".TrimEnd());
            }

            await output.WriteLineAsync();
        }
    }
}
