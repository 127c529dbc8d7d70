using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Connection;
using Portcullis.Sources.Kubernetes.Informers;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes;

/// <summary>The source that watches a Kubernetes API server.</summary>
public sealed partial class KubernetesSource : IPolicySource
{
    internal const string PluginName = "kubernetes";

    private readonly KubernetesSourceOptions _options;
    private readonly SourceSettings _settings;
    private readonly TimeProvider _time;
    private readonly ILogger<KubernetesSource> _logger;

    /// <summary>Creates the source; no server is asked before <see cref="WatchAsync"/>.</summary>
    public KubernetesSource(KubernetesSourceOptions options, SourceSettings settings, TimeProvider time, ILogger<KubernetesSource> logger)
    {
        _options = options;
        _settings = settings;
        _time = time;
        _logger = logger;
    }

    /// <inheritdoc/>
    public string Name => PluginName;

    /// <inheritdoc/>
    public async IAsyncEnumerable<SourceBatch> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var server = new ApiServer(_options, _time);
        var board = new ChangeBoard();
        var informers = CreateInformers(server, board);
        informers.ForEach(informer => board.Expect(informer.Kind));
        var running = informers.Select(informer => Task.Run(() => informer.RunAsync(stop.Token), stop.Token)).ToList();
        try
        {
            while (true)
            {
                var batch = await board.TakeAsync(cancellationToken);
                Tell(batch);
                yield return batch;
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Tell(SourceBatch batch)
    {
        if (batch.Synced)
        {
            LogSynced();
        }

        if (batch.Problems is not { } problems)
        {
            return;
        }

        if (problems.IsEmpty)
        {
            LogNoProblems();
        }

        foreach (var problem in problems)
        {
            LogProblem(problem);
        }
    }

    [LoggerMessage(5010, LogLevel.Information, "Every kind of object is known")]
    private partial void LogSynced();

    [LoggerMessage(5011, LogLevel.Information, "The API server has no problems any more")]
    private partial void LogNoProblems();

    [LoggerMessage(5012, LogLevel.Warning, "{Problem}")]
    private partial void LogProblem(Finding problem);
}
