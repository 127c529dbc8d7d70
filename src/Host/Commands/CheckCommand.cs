using System.Collections;
using System.CommandLine;
using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary><c>check</c>: validates manifests without touching the kernel.</summary>
internal static class CheckCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var paths = new Argument<string[]>("PATH") { Description = "manifest files, or folders of them", Arity = ArgumentArity.OneOrMore };
        var command = new Command("check", "Validates manifests: file:line: severity: object: message. 1 when there are errors or warnings.") { paths, format };
        command.SetAction(async (parsed, _) =>
        {
            CommandLine.GetOptions(parsed, environment, useDefaultFile: false);
            var findings = ManifestWorld.Load(parsed.GetValue(paths)!).Findings;
            var answer = new CheckDto([.. findings.Select(FindingDto.From)]);
            await WriteAsync(parsed.InvocationConfiguration.Output, answer, parsed.GetValue(format));
            return findings.Any(finding => finding.Severity != FindingSeverity.Note) ? ExitCode.No : ExitCode.Done;
        });
        return command;
    }

    private static async Task WriteAsync(TextWriter output, CheckDto answer, OutputFormat format)
    {
        if (format == OutputFormat.Json)
        {
            await Output.WriteJsonAsync(output, answer, AgentJson.Default.CheckDto);
            return;
        }

        foreach (var finding in answer.Findings)
        {
            await output.WriteLineAsync(FindingText.Of(finding));
        }
    }
}
