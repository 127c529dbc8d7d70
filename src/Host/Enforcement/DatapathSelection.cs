using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Portcullis.Datapaths;
using Portcullis.Host.Configuration;
using Portcullis.Host.Plugins;
using Portcullis.Plugins;

namespace Portcullis.Host.Enforcement;

/// <summary>Finds the datapath to use, and clears away after the others.</summary>
/// <param name="catalog">The plugins.</param>
/// <param name="configured">The datapath that configuration names, or <c>auto</c>.</param>
/// <param name="logger">Where to report.</param>
internal sealed partial class DatapathSelection(PluginCatalog catalog, string configured, ILogger<DatapathSelection> logger) : IOtherDatapaths
{
    private readonly Queue<Plugin> _candidates = new(
        string.Equals(configured, DatapathOptions.Auto, StringComparison.Ordinal) ? catalog.Datapaths : []);

    private readonly List<string> _refused = [];

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

    /// <summary>Takes the datapath that configuration names, or with <c>auto</c> the first that this machine can run.</summary>
    /// <exception cref="CommandException">There is none; the message says why.</exception>
    public async Task<(IDatapath Datapath, DatapathChoice Choice)> ChooseAsync(CancellationToken cancellationToken)
    {
        if (!string.Equals(configured, DatapathOptions.Auto, StringComparison.Ordinal))
        {
            return await OpenAsync(configured, "configured", ExitCode.Usage, cancellationToken);
        }

        if (await NextCandidateAsync(cancellationToken) is { } chosen)
        {
            return chosen;
        }

        _refused.AddRange(catalog.Reports
            .Where(report => report.Kind != PluginKind.Source && report.State != PluginState.Active && !_refused.Any(line => line.StartsWith(report.Name + ':', StringComparison.Ordinal)))
            .Select(report => $"{report.Name}: {report.Reason}"));
        throw new CommandException(
            ExitCode.Usage,
            [$"no datapath can run on this machine{(_refused.Count == 0 ? $": there is no datapath plugin in {catalog.Path}" : string.Empty)}", .. _refused]);
    }

    /// <summary>Takes the datapath with this name to switch to it.</summary>
    /// <exception cref="CommandException">It is not there or cannot run; the message says why.</exception>
    public Task<(IDatapath Datapath, DatapathChoice Choice)> OpenAsync(string name, CancellationToken cancellationToken) =>
        OpenAsync(name, "switched", ExitCode.Failure, cancellationToken);

    /// <inheritdoc/>
    public async Task<(IDatapath Datapath, DatapathChoice Choice)?> TakeInsteadOfAsync(string failed, string reason, CancellationToken cancellationToken)
    {
        _refused.Add($"{failed}: failed at start: {reason}");
        return await NextCandidateAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ImmutableArray<Finding>> RemoveAllButAsync(string inForce)
    {
        var problems = ImmutableArray.CreateBuilder<Finding>();
        foreach (var plugin in catalog.Datapaths.Where(plugin => !string.Equals(plugin.Report.Name, inForce, StringComparison.Ordinal)).ToList())
        {
            try
            {
                if (plugin.CreateDatapath() is { } datapath)
                {
                    await datapath.CleanupAsync(allInstances: false, CancellationToken.None);
                }
            }
            catch (FeatureNotSupportedException exception)
            {
                // What cannot run here has hardly left anything here; if it did, its rules only deny more.
                LogNotAsked(plugin.Report.Name, exception.Message);
            }
            catch (Exception exception)
            {
                // The boundary to foreign code: the datapath in force goes on.
                problems.Add(new Finding(
                    FindingSeverity.Error,
                    default,
                    $"datapath {plugin.Report.Name}",
                    $"could not be removed and still judges packets too: {exception.Message}; 'portcullis datapath switch {inForce}' tries again"));
            }
        }

        return problems.DrainToImmutable();
    }

    private async Task<(IDatapath Datapath, DatapathChoice Choice)> OpenAsync(
        string name, string why, int cannotRun, CancellationToken cancellationToken)
    {
        if (catalog.Find(PluginKind.Datapath, name, out var problem) is not { } plugin)
        {
            throw new CommandException(catalog.Reports.Any(report => report.Name == name) ? cannotRun : ExitCode.Usage, [problem]);
        }

        var (datapath, reason) = await ProbeAsync(plugin, cancellationToken);
        return datapath is null
            ? throw new CommandException(cannotRun, [$"datapath {name} cannot run on this machine: {reason}"])
            : (datapath, new DatapathChoice(name, $"{why}: {reason}"));
    }

    private async Task<(IDatapath Datapath, DatapathChoice Choice)?> NextCandidateAsync(CancellationToken cancellationToken)
    {
        while (_candidates.TryDequeue(out var plugin))
        {
            var (datapath, reason) = await ProbeAsync(plugin, cancellationToken);
            if (datapath is not null)
            {
                return (datapath, new DatapathChoice(datapath.Name, string.Join("; ", [$"auto: {reason}", .. _refused])));
            }

            _refused.Add($"{plugin.Report.Name}: {reason}");
        }

        return null;
    }

    [LoggerMessage(1211, LogLevel.Debug, "Datapath {Datapath} cannot run here and so has nothing to remove: {Reason}")]
    private partial void LogNotAsked(string datapath, string reason);
}
