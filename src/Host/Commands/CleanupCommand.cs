using System.Collections;
using System.CommandLine;
using Microsoft.Extensions.Logging;
using Portcullis.Datapaths;
using Portcullis.Host.Api;
using Portcullis.Host.Configuration;
using Portcullis.Host.Demo;
using Portcullis.Host.Metrics;
using Portcullis.Host.Plugins;

namespace Portcullis.Host.Commands;

/// <summary><c>cleanup</c>: removes what this instance, or every instance, put into the kernel.</summary>
internal static class CleanupCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var all = new Option<bool>("--all") { Description = "what other instances put there too" };
        var format = Output.CreateOption();
        var command = new Command("cleanup", "Removes everything this instance put into the kernel; its running agent lets go first.") { all, format };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var configuration = CommandLine.Configure(parsed, environment);
            using var logging = LoggerFactory.Create(_ => { });
            await using var catalog = PluginSetup.Load(configuration, logging, new AgentMetrics(), requireChosen: false);
            var removed = new List<string>();
            removed.AddRange(await ReleaseAgentAsync(configuration.Options, parsed.GetValue(all), cancellationToken));
            if (parsed.GetValue(all))
            {
                removed.AddRange(await DemoRun.RemoveRemainsAsync(cancellationToken));
            }

            removed.AddRange(await CleanAsync(catalog, parsed.GetValue(all), cancellationToken));
            var output = parsed.InvocationConfiguration.Output;
            await (parsed.GetValue(format) == OutputFormat.Json
                ? Output.WriteJsonAsync(output, new CleanupDto(removed), AgentJson.Default.CleanupDto)
                : output.WriteLineAsync(removed.Count == 0 ? "nothing to remove" : string.Join(Environment.NewLine, removed.Select(line => $"removed {line}"))));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<IReadOnlyList<string>> ReleaseAgentAsync(AgentOptions options, bool all, CancellationToken cancellationToken)
    {
        if (!AgentClient.IsRunning(options.Api.Socket))
        {
            return [];
        }

        using var client = new AgentClient(options.Api.Socket);
        var answer = await client.SendAsync(HttpMethod.Post, $"/v1/cleanup?all={(all ? "true" : "false")}", AgentJson.Default.CleanupDto, cancellationToken);
        return answer.Removed;
    }

    private static async Task<IReadOnlyList<string>> CleanAsync(PluginCatalog catalog, bool all, CancellationToken cancellationToken)
    {
        var removed = new List<string>();
        var failures = new List<string>();
        foreach (var plugin in catalog.Datapaths.ToList())
        {
            if (plugin.CreateDatapath() is not { } datapath)
            {
                failures.Add($"{plugin.Report.Name}: {plugin.Report.Reason}");
                continue;
            }

            try
            {
                removed.AddRange(await datapath.CleanupAsync(all, cancellationToken));
            }
            catch (FeatureNotSupportedException exception)
            {
                failures.Add($"{plugin.Report.Name}: {exception.Message}");
            }
            catch (DatapathException exception)
            {
                failures.Add($"{plugin.Report.Name}: {exception.Message}");
            }
        }

        return failures.Count == 0 ? removed : throw new CommandException(ExitCode.Failure, ["not everything could be removed", .. failures]);
    }
}
