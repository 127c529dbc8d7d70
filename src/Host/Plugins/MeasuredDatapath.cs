using Microsoft.Extensions.Logging;
using Portcullis.Datapaths;
using Portcullis.Host.Metrics;
using Portcullis.Rules;

namespace Portcullis.Host.Plugins;

/// <summary>Measures and logs what the host asks of a datapath.</summary>
internal sealed partial class MeasuredDatapath(IDatapath inner, AgentMetrics metrics, TimeProvider time, ILogger<MeasuredDatapath> logger) : IDatapath
{
    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <inheritdoc/>
    public ValueTask<DatapathSupport> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask LearnFlowsAsync(CancellationToken cancellationToken) => inner.LearnFlowsAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<ApplyResult> ApplyAsync(ChangeSet changes, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        try
        {
            var result = await inner.ApplyAsync(changes, cancellationToken);
            var duration = time.GetElapsedTime(start);
            metrics.ApplyDuration.Record(duration);
            LogApplied(Name, changes.Revision, changes.Replace, changes.Endpoints.Length, changes.RuleSets.Length, changes.PeerSets.Length, duration.TotalMilliseconds);
            return result;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            metrics.CountApplyFailure();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<string>> CleanupAsync(bool allInstances, CancellationToken cancellationToken)
    {
        var removed = await inner.CleanupAsync(allInstances, cancellationToken);
        LogCleaned(Name, removed.Count);
        return removed;
    }

    /// <inheritdoc/>
    public DatapathStatus GetStatus() => inner.GetStatus();

    /// <inheritdoc/>
    public IAsyncEnumerable<FlowEvent> WatchFlowsAsync(CancellationToken cancellationToken) => inner.WatchFlowsAsync(cancellationToken);

    /// <summary>Does nothing: the container that made the decorated datapath disposes it.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [LoggerMessage(1101, LogLevel.Debug, "Datapath {Datapath} applied revision {Revision} (replace: {Replace}; {Endpoints} endpoints, {RuleSets} rule sets, {PeerSets} peer sets) in {Milliseconds:F2} ms")]
    private partial void LogApplied(string datapath, long revision, bool replace, int endpoints, int ruleSets, int peerSets, double milliseconds);

    [LoggerMessage(1102, LogLevel.Information, "Datapath {Datapath} removed {Count} things from the kernel")]
    private partial void LogCleaned(string datapath, int count);
}
