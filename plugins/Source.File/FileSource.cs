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
        using var watcher = StartWatcher(out var watchProblem);
        var scanner = new FileScanner(_options.Paths);
        var problems = ImmutableArray<Finding>.Empty;
        var activity = new FileActivity(ImmutableHashSet<string>.Empty, _time.GetTimestamp());
        for (var first = true; ; first = false)
        {
            var batch = Finish(scanner.Scan(activity.Saved, watcher), activity, watchProblem, ref problems, first);
            if (batch.Synced || batch.Accepted > 0 || batch.Problems is not null)
            {
                yield return batch;
            }

            activity = await WaitAsync(watcher, cancellationToken);
        }
    }

    /// <summary>Puts what the scanner cannot know into a batch.</summary>
    private static SourceBatch Finish(
        SourceBatch batch, FileActivity activity, Finding? watchProblem, ref ImmutableArray<Finding> problems, bool first)
    {
        var now = watchProblem is null ? batch.Problems!.Value : [watchProblem, .. batch.Problems!.Value];
        var differ = first || !now.SequenceEqual(problems);
        problems = now;
        return batch with { Synced = first, Problems = differ ? now : null, ObservedAt = activity.ObservedAt };
    }

    /// <summary>Waits for something to happen, or for the time to look anyway.</summary>
    private async Task<FileActivity> WaitAsync(FolderWatcher? watcher, CancellationToken cancellationToken)
    {
        if (watcher is not null && await watcher.WaitAsync(_options.RescanInterval, cancellationToken) is { } activity)
        {
            return activity;
        }

        if (watcher is null)
        {
            await Task.Delay(UnwatchedInterval, _time, cancellationToken);
        }

        return new FileActivity(ImmutableHashSet<string>.Empty, _time.GetTimestamp());
    }

    private FolderWatcher? StartWatcher(out Finding? problem)
    {
        try
        {
            problem = null;
            return new FolderWatcher(_time);
        }
        catch (IOException exception)
        {
            problem = new Finding(
                FindingSeverity.Warning, default, string.Empty, $"files are not watched but looked at every {UnwatchedInterval.TotalSeconds:0} s: {exception.Message}");
            return null;
        }
    }
}
