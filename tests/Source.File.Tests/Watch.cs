using Portcullis.Resources;

namespace Portcullis.Sources.Files;

/// <summary>A source under test: folds its batches into a world and waits for what a test expects, with a deadline.</summary>
internal sealed class Watch : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _stop = new();
    private readonly IAsyncEnumerator<SourceBatch> _batches;

    private Task<bool>? _next;

    private Watch(FileSourceOptions options) =>
        _batches = new FileSource(options, TimeProvider.System).WatchAsync(_stop.Token).GetAsyncEnumerator(_stop.Token);

    public Dictionary<ResourceKey, Resource> World { get; } = [];

    public List<Finding> Problems { get; } = [];

    public int Accepted { get; private set; }

    public List<SourceBatch> Batches { get; } = [];

    public IEnumerable<string> Names => World.Keys.Select(key => key.Name).Order(StringComparer.Ordinal);

    /// <summary>Starts a source and waits for its first batch.</summary>
    public static Task<Watch> StartAsync(params string[] paths) => StartAsync(new FileSourceOptions([.. paths]));

    public static async Task<Watch> StartAsync(FileSourceOptions options)
    {
        var watch = new Watch(options);
        await watch.NextAsync("the first batch");
        Assert.True(watch.Batches[0].Synced);
        return watch;
    }

    public async Task<SourceBatch> NextAsync(string what)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        try
        {
            _next ??= _batches.MoveNextAsync().AsTask();
            Assert.True(await _next.WaitAsync(deadline.Token), "the source ended by itself");
            _next = null;
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"waited {Deadline.TotalSeconds} s for {what}; the world is [{string.Join(", ", World.Keys)}], problems [{string.Join("; ", Problems)}]");
        }

        Take(_batches.Current);
        return _batches.Current;
    }

    public async Task UntilAsync(string what, Func<bool> condition)
    {
        while (!condition())
        {
            await NextAsync(what);
        }
    }

    public Task UntilNamesAsync(params string[] names) =>
        UntilAsync($"the objects {string.Join(", ", names)}", () => Names.SequenceEqual(names));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        try
        {
            _next ??= _batches.MoveNextAsync().AsTask();
            while (await _next)
            {
                _next = _batches.MoveNextAsync().AsTask();
            }
        }
        catch (OperationCanceledException)
        {
            // The way a source ends.
        }

        _stop.Dispose();
    }

    private void Take(SourceBatch batch)
    {
        Batches.Add(batch);
        Accepted += batch.Accepted;
        if (batch.Problems is { } problems)
        {
            Problems.Clear();
            Problems.AddRange(problems);
        }

        foreach (var change in batch.Changes)
        {
            if (change.Resource is null)
            {
                Assert.True(World.Remove(change.Key), $"{change.Key} was deleted but never there");
            }
            else
            {
                World[change.Key] = change.Resource;
            }
        }
    }
}
