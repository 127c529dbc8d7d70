using Microsoft.Extensions.Logging.Abstractions;
using Portcullis.Resources;

namespace Portcullis.Sources.Kubernetes;

/// <summary>A source under test: folds its batches into a world and waits for what a test expects, with a deadline.</summary>
internal sealed class SourceWatch : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stop = new();
    private readonly IAsyncEnumerator<SourceBatch> _batches;
    private Task<bool>? _next;

    public SourceWatch(string kubeconfig, TimeProvider? time = null, PolicyMode mode = PolicyMode.Resources) =>
        _batches = new KubernetesSource(
            new KubernetesSourceOptions(kubeconfig, mode), new SourceSettings("node-a"), time ?? TimeProvider.System, NullLogger<KubernetesSource>.Instance)
            .WatchAsync(_stop.Token).GetAsyncEnumerator(_stop.Token);

    public Dictionary<ResourceKey, Resource> World { get; } = [];

    public List<Finding> Problems { get; } = [];

    public List<SourceBatch> Batches { get; } = [];

    public bool IsSynced { get; private set; }

    public IEnumerable<string> Names => World.Keys.Select(key => key.Name).Order(StringComparer.Ordinal);

    /// <summary>Starts a source and waits until it is synced.</summary>
    public static async Task<SourceWatch> SyncedAsync(string kubeconfig, PolicyMode mode = PolicyMode.Resources)
    {
        var watch = new SourceWatch(kubeconfig, mode: mode);
        await watch.UntilAsync("synced", () => watch.IsSynced);
        return watch;
    }

    public Workload Pod(string name) => (Workload)World[new ResourceKey(ResourceKind.Workload, "default", name)];

    public async Task UntilAsync(string what, Func<bool> condition)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(Deadline);
        while (!condition())
        {
            try
            {
                _next ??= _batches.MoveNextAsync().AsTask();
                Assert.True(await _next.WaitAsync(deadline.Token), "the source ended by itself");
                _next = null;
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"waited for {what}; the world is [{string.Join(", ", World.Keys)}], problems [{string.Join("; ", Problems)}]");
            }

            Take(_batches.Current);
        }
    }

    public Task UntilNamesAsync(params string[] names) =>
        UntilAsync($"the objects {string.Join(", ", names)}", () => Names.SequenceEqual(names));

    public Task UntilProblemAsync(string text) =>
        UntilAsync($"the problem '{text}'", () => Problems.Exists(problem => problem.ToString().Contains(text, StringComparison.Ordinal)));

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

        await _batches.DisposeAsync();
        _stop.Dispose();
    }

    private void Take(SourceBatch batch)
    {
        Batches.Add(batch);
        Assert.False(IsSynced && batch.Synced, "synced twice");
        IsSynced |= batch.Synced;
        if (batch.Problems is { } problems)
        {
            Problems.Clear();
            Problems.AddRange(problems);
        }

        foreach (var change in batch.Changes)
        {
            if (change.Resource is null)
            {
                World.Remove(change.Key);
            }
            else
            {
                World[change.Key] = change.Resource;
            }
        }
    }
}
