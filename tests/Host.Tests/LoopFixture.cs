using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Portcullis.Datapaths;
using Portcullis.Host.Configuration;
using Portcullis.Host.Enforcement;
using Portcullis.Host.Links;
using Portcullis.Host.Metrics;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;
using Xunit;

namespace Portcullis.Host.Tests;

/// <summary>A loop between a source and a datapath that live in memory, with a clock of its own.</summary>
internal sealed class LoopFixture : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<LinkTable> _links = Channel.CreateUnbounded<LinkTable>();

    public LoopFixture(EnforcementMode mode = EnforcementMode.Standard, LinkTable? links = null)
    {
        var options = AgentConfiguration.Load(
            new ConfigurationArguments(null, [$"enforcement.mode={mode}", "node.addresses=[192.0.2.254]", "node.name=here"], UseDefaultFile: false),
            new Dictionary<string, string>()).Options;
        Others = new MemoryOthers(Datapath);
        Loop = new EnforcementLoop(
            Source, Datapath, new DatapathChoice("memory", "test"), Others, links ?? LinkTable.Empty, options, Metrics, Time, NullLogger<EnforcementLoop>.Instance);
        Running = Loop.RunAsync(_links.Reader, _stop.Token);
    }

    public MemorySource Source { get; } = new();

    public MemoryDatapath Datapath { get; } = new();

    public MemoryOthers Others { get; }

    public AgentMetrics Metrics { get; } = new();

    public FakeTimeProvider Time { get; } = new();

    public EnforcementLoop Loop { get; }

    public Task Running { get; }

    public static ResourceChange Pod(string name, string address, string? @interface = null) => ResourceChange.Upsert(
        new Workload { Namespace = "default", Name = name, Addresses = [IpAddress.Parse(address)], Interface = @interface });

    public static ResourceChange DenyAll(string name) => ResourceChange.Upsert(
        new NetworkPolicy { Namespace = "default", Name = name, Types = PolicyTypes.Ingress });

    public static LinkTable Links(params (string Name, int Index)[] links) => new()
    {
        Links = links.ToDictionary(link => link.Index, link => new LinkState(link.Name, link.Index, "veth", IsLoopback: false, IsUp: true)).ToImmutableDictionary(),
        Names = links.ToDictionary(link => link.Name, link => link.Index).ToImmutableDictionary(),
    };

    public void SetLinks(params (string Name, int Index)[] links) => Assert.True(_links.Writer.TryWrite(Links(links)));

    public async Task<AgentStatus> WaitAsync(string what, Func<AgentStatus, bool> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        var waiting = Loop.Status.WaitAsync(condition, deadline.Token);
        try
        {
            if (await Task.WhenAny(waiting, Running) == Running && !waiting.IsCompletedSuccessfully)
            {
                await Running;
            }

            return await waiting;
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            Assert.Fail($"never happened: {what}; status: {Loop.Status.Current}");
            throw;
        }
    }

    public async Task<ChangeSet> NextAsync(string what)
    {
        using var deadline = new CancellationTokenSource(Patience);
        try
        {
            return await Datapath.Attempts.Reader.ReadAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"the datapath was never asked: {what}; status: {Loop.Status.Current}");
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Datapath.Gate.TrySetResult();
        try
        {
            await Running.WaitAsync(Patience);
        }
        catch (CommandException)
        {
            // The test that made the loop fail has asserted how.
        }

        _stop.Dispose();
    }
}

/// <summary>Yields what tests give it.</summary>
internal sealed class MemorySource : IPolicySource
{
    private readonly Channel<SourceBatch> _batches = Channel.CreateUnbounded<SourceBatch>();

    public string Name => "memory";

    public void Send(params ResourceChange[] changes) => Send(new SourceBatch { Changes = [.. changes], Accepted = 1 });

    public void Sync(params ResourceChange[] changes) => Send(new SourceBatch { Changes = [.. changes], Accepted = changes.Length, Synced = true });

    public void Send(SourceBatch batch) => Assert.True(_batches.Writer.TryWrite(batch));

    public void Break(Exception exception) => _batches.Writer.Complete(exception);

    public IAsyncEnumerable<SourceBatch> WatchAsync(CancellationToken cancellationToken) => _batches.Reader.ReadAllAsync(cancellationToken);
}

/// <summary>Remembers every attempt to apply, and fails or waits when told.</summary>
internal sealed class MemoryDatapath : IDatapath
{
    public string Name { get; init; } = "memory";

    public Channel<ChangeSet> Attempts { get; } = Channel.CreateUnbounded<ChangeSet>();

    public Exception? Failure { get; set; }

    /// <summary>Applying waits for it.</summary>
    public TaskCompletionSource Gate { get; set; } = Opened();

    public IReadOnlyList<Finding> Problems { get; set; } = [];

    public bool WasCleaned { get; private set; }

    public static TaskCompletionSource Opened()
    {
        var gate = new TaskCompletionSource();
        gate.SetResult();
        return gate;
    }

    public ValueTask<DatapathSupport> ProbeAsync(CancellationToken cancellationToken) => ValueTask.FromResult(new DatapathSupport(true, "in memory"));

    public async ValueTask<ApplyResult> ApplyAsync(ChangeSet changes, CancellationToken cancellationToken)
    {
        await Attempts.Writer.WriteAsync(changes, cancellationToken);
        await Gate.Task;
        return Failure is null ? new ApplyResult(Problems) : throw Failure;
    }

    public ValueTask<IReadOnlyList<string>> CleanupAsync(bool allInstances, CancellationToken cancellationToken)
    {
        WasCleaned = true;
        return ValueTask.FromResult<IReadOnlyList<string>>(["everything"]);
    }

    public DatapathStatus GetStatus() => new();

    public async IAsyncEnumerable<FlowEvent> WatchFlowsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        yield break;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>The other datapaths, as tests want them.</summary>
internal sealed class MemoryOthers(MemoryDatapath first) : IOtherDatapaths
{
    /// <summary>Takes the place of one that fails at start.</summary>
    public MemoryDatapath? Fallback { get; set; }

    /// <summary>What cannot be removed.</summary>
    public ImmutableArray<Finding> Left { get; set; } = [];

    /// <summary>The datapaths that were in force when the others were removed.</summary>
    public ConcurrentQueue<string> RemovedFor { get; } = [];

    public Task<(IDatapath Datapath, DatapathChoice Choice)?> TakeInsteadOfAsync(string failed, string reason, CancellationToken cancellationToken) =>
        Task.FromResult<(IDatapath, DatapathChoice)?>(Fallback is null ? null : (Fallback, new DatapathChoice(Fallback.Name, $"{failed}: {reason}")));

    public async Task<ImmutableArray<Finding>> RemoveAllButAsync(string inForce)
    {
        RemovedFor.Enqueue(inForce);
        if (first.Name != inForce)
        {
            await first.CleanupAsync(allInstances: false, CancellationToken.None);
        }

        return Left;
    }
}
