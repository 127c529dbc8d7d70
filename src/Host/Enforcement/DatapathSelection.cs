using Portcullis.Datapaths;
using Portcullis.Host.Configuration;
using Portcullis.Host.Plugins;
using Portcullis.Plugins;

namespace Portcullis.Host.Enforcement;

/// <summary>Finds the datapath to use.</summary>
internal static class DatapathSelection
{
    /// <summary>Takes the datapath that configuration names, or with <c>auto</c> the first that this machine can run.</summary>
    /// <exception cref="CommandException">There is none; the message says why.</exception>
    public static async Task<(IDatapath Datapath, DatapathChoice Choice)> ChooseAsync(
        PluginCatalog catalog, string configured, CancellationToken cancellationToken)
    {
        if (!string.Equals(configured, DatapathOptions.Auto, StringComparison.Ordinal))
        {
            return await OpenAsync(catalog, configured, cancellationToken);
        }

        var refused = new List<string>();
        foreach (var plugin in catalog.Datapaths.ToList())
        {
            var (datapath, reason) = await ProbeAsync(plugin, cancellationToken);
            if (datapath is not null)
            {
                var why = string.Join("; ", [$"auto: {reason}", .. refused]);
                return (datapath, new DatapathChoice(datapath.Name, why));
            }

            refused.Add($"{plugin.Report.Name}: {reason}");
        }

        refused.AddRange(catalog.Reports
            .Where(report => report.Kind != PluginKind.Source && report.State != PluginState.Active && !refused.Any(line => line.StartsWith(report.Name + ':', StringComparison.Ordinal)))
            .Select(report => $"{report.Name}: {report.Reason}"));
        throw new CommandException(
            ExitCode.Usage,
            [$"no datapath can run on this machine{(refused.Count == 0 ? $": there is no datapath plugin in {catalog.Path}" : string.Empty)}", .. refused]);
    }

    /// <summary>Takes the datapath with this name.</summary>
    /// <exception cref="CommandException">It is not there or cannot run; the message says why.</exception>
    public static async Task<(IDatapath Datapath, DatapathChoice Choice)> OpenAsync(
        PluginCatalog catalog, string name, CancellationToken cancellationToken)
    {
        if (catalog.Find(PluginKind.Datapath, name, out var problem) is not { } plugin)
        {
            throw new CommandException(ExitCode.Usage, [problem]);
        }

        var (datapath, reason) = await ProbeAsync(plugin, cancellationToken);
        return datapath is null
            ? throw new CommandException(ExitCode.Usage, [$"datapath {name} cannot run on this machine: {reason}"])
            : (datapath, new DatapathChoice(name, $"configured: {reason}"));
    }

    /// <summary>Creates a plugin's datapath and asks it whether it can run here.</summary>
    /// <returns>No datapath when it cannot, and why in either case.</returns>
    public static async Task<(IDatapath? Datapath, string Reason)> ProbeAsync(Plugin plugin, CancellationToken cancellationToken)
    {
        if (plugin.CreateDatapath() is not { } datapath)
        {
            return (null, plugin.Report.Reason);
        }

        try
        {
            var support = await datapath.ProbeAsync(cancellationToken);
            return support.IsSupported ? (datapath, support.Reason) : (null, support.Reason);
        }
        catch (Exception exception) when (exception is FeatureNotSupportedException or DatapathException)
        {
            return (null, exception.Message);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The boundary to foreign code: a plugin with a defect is one that cannot run here.
            return (null, $"asking it failed: {exception.GetType().Name}: {exception.Message}");
        }
    }
}
