using Microsoft.Extensions.Logging;
using Portcullis.Host.Configuration;
using Portcullis.Host.Metrics;
using Portcullis.Plugins;
using Portcullis.Sources;

namespace Portcullis.Host.Plugins;

/// <summary>Loads the plugins of a configuration and reports everything that is wrong with either, at once.</summary>
internal static class PluginSetup
{
    /// <summary>Loads every plugin.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="logging">Where plugins log.</param>
    /// <param name="metrics">Where datapaths are measured.</param>
    /// <param name="requireChosen">Whether the plugins that configuration chooses must be among them, as for an agent.</param>
    /// <exception cref="CommandException">The configuration is wrong; it lists every error.</exception>
    public static PluginCatalog Load(AgentConfiguration configuration, ILoggerFactory logging, AgentMetrics metrics, bool requireChosen)
    {
        var options = configuration.Options;
        var errors = new List<string>();
        var services = new PluginHostServices(logging, TimeProvider.System, new SourceSettings(options.Node.Name), options.DatapathSettings, metrics);
        var catalog = PluginCatalog.Load(options.Plugins.Path, services, configuration.Root, errors);
        if (requireChosen && catalog.IsFolderThere)
        {
            Require(catalog, PluginKind.Source, options.Source.Plugin, errors);
            Require(catalog, PluginKind.Datapath, options.Datapath.Plugin, errors);
        }

        errors.InsertRange(0, configuration.Errors(catalog.Sections));
        return errors.Count == 0 ? catalog : throw new CommandException(ExitCode.Usage, errors);
    }

    /// <summary>Creates the source that configuration names.</summary>
    /// <exception cref="CommandException">It failed.</exception>
    public static IPolicySource CreateSource(PluginCatalog catalog, string name)
    {
        var plugin = catalog.Find(PluginKind.Source, name, out var problem) ?? throw new CommandException(ExitCode.Usage, [problem]);
        return plugin.CreateSource() ?? throw new CommandException(ExitCode.Usage, [$"source plugin '{name}': {plugin.Report.Reason}"]);
    }

    private static void Require(PluginCatalog catalog, PluginKind kind, string name, List<string> errors)
    {
        var isAuto = kind == PluginKind.Datapath && string.Equals(name, DatapathOptions.Auto, StringComparison.Ordinal);
        if (!isAuto && catalog.Find(kind, name, out var problem) is null)
        {
            errors.Add($"{kind.ToString().ToLowerInvariant()}.plugin: {problem}");
        }
    }
}
