using System.Collections;
using System.CommandLine;
using Microsoft.Extensions.Logging;
using Portcullis.Host.Api;
using Portcullis.Host.Enforcement;
using Portcullis.Host.Metrics;
using Portcullis.Host.Plugins;
using Portcullis.Plugins;

namespace Portcullis.Host.Commands;

/// <summary><c>plugins</c>: what was found, what loads, what is rejected and why.</summary>
internal static class PluginsCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var format = Output.CreateOption();
        var command = new Command("plugins", "Lists the plugins that are installed, and why one cannot be used.") { format };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var configuration = CommandLine.Configure(parsed, environment);
            using var logging = LoggerFactory.Create(_ => { });
            await using var catalog = PluginSetup.Load(configuration, logging, new AgentMetrics(), requireChosen: false);
            var answer = PluginsView.Of(catalog.Path, await JudgeAsync(catalog, cancellationToken));
            var output = parsed.InvocationConfiguration.Output;
            await (parsed.GetValue(format) == OutputFormat.Json
                ? Output.WriteJsonAsync(output, answer, AgentJson.Default.PluginsDto)
                : Output.WriteTableAsync(output, ["PLUGIN", "KIND", "STATE", "VERSION", "REASON"], [.. answer.Plugins.Select(Row)]));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>What loading said, and of the datapaths that loaded whether this machine can run them.</summary>
    private static async Task<IReadOnlyList<PluginReport>> JudgeAsync(PluginCatalog catalog, CancellationToken cancellationToken)
    {
        var reports = catalog.Reports.ToDictionary(report => report.Folder);
        foreach (var plugin in catalog.Datapaths.ToList())
        {
            var (datapath, reason) = await DatapathSelection.ProbeAsync(plugin, cancellationToken);
            var report = plugin.Report;
            reports[report.Folder] = report.State != PluginState.Active ? report
                : report with { State = datapath is null ? PluginState.Unsupported : PluginState.Active, Reason = reason };
        }

        return [.. reports.Values];
    }

    private static string[] Row(PluginDto plugin) => [plugin.Name, plugin.Kind ?? "?", plugin.State, plugin.Version ?? "?", plugin.Reason];
}
