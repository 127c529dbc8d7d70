using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Portcullis.Resources;

namespace Portcullis.Sources.Files;

/// <summary>The source that reads and watches files and folders of manifests.</summary>
public sealed class FileSource : IPolicySource
{
    internal const string PluginName = "file";

    /// <summary>How often files are looked at when not every change is told of.</summary>
    private static readonly TimeSpan UnwatchedInterval = TimeSpan.FromSeconds(1);

    private readonly FileSourceOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Creates the source; nothing is read before <see cref="WatchAsync"/>.</summary>
    public FileSource(FileSourceOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
    }

    /// <inheritdoc/>
    public string Name => PluginName;

    /// <inheritdoc/>
    public async IAsyncEnumerable<SourceBatch> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var watcher = StartWatcher(out var startFailure);
        var scanner = new FileScanner(_options.Paths);
        var problems = ImmutableArray<Finding>.Empty;
        var activity = new FileActivity(ImmutableHashSet<string>.Empty, _time.GetTimestamp());
        for (var first = true; ; first = false)
        {
            var failure = startFailure ?? watcher?.Failure;
            var batch = Finish(scanner.Scan(activity.Saved, watcher), activity, failure, ref problems, first);
            if (batch.Synced || batch.Accepted > 0 || batch.Problems is not null)
            {
                yield return batch;
            }

            activity = await WaitAsync(watcher, failure is not null || scanner.HasBlindSpots, cancellationToken);
        }
    }

    /// <summary>Puts what the scanner cannot know into a batch.</summary>
    private static SourceBatch Finish(
        SourceBatch batch, FileActivity activity, string? failure, ref ImmutableArray<Finding> problems, bool first)
    {
        var now = failure is null ? batch.Problems!.Value : [Unwatched(failure), .. batch.Problems!.Value];
        var differ = first || !now.SequenceEqual(problems);
        problems = now;
        return batch with { Synced = first, Problems = differ ? now : null, ObservedAt = activity.ObservedAt };
    }

    /// <summary>Waits for something to happen, or for the time to look anyway.</summary>
    private async Task<FileActivity> WaitAsync(FolderWatcher? watcher, bool hasBlindSpots, CancellationToken cancellationToken)
    {
        var limit = hasBlindSpots && UnwatchedInterval < _options.RescanInterval ? UnwatchedInterval : _options.RescanInterval;
        if (watcher is null)
        {
            await Task.Delay(limit, _time, cancellationToken);
        }
        else if (await watcher.WaitAsync(limit, cancellationToken) is { } activity)
        {
            return activity;
        }

        return new FileActivity(ImmutableHashSet<string>.Empty, _time.GetTimestamp());
    }

    private FolderWatcher? StartWatcher(out string? failure)
    {
        try
        {
            failure = null;
            return new FolderWatcher(_time);
        }
        catch (IOException exception)
        {
            failure = exception.Message;
            return null;
        }
    }

    private static Finding Unwatched(string failure) => new(
        FindingSeverity.Warning, default, string.Empty, $"files are not watched but looked at every {UnwatchedInterval.TotalSeconds:0} s: {failure}");
}
