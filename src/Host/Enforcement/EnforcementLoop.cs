using System.Collections.Immutable;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Portcullis.Datapaths;
using Portcullis.Host.Configuration;
using Portcullis.Host.Links;
using Portcullis.Host.Metrics;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Policy.Store;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Host.Enforcement;

/// <summary>
/// Brings the kernel to what the source says. One task owns store, compiler and datapath; everything else talks to it through
/// channels and reads the status it publishes.
/// </summary>
internal sealed partial class EnforcementLoop
{
    /// <summary>Batches that may wait while the kernel is being written; then the source waits too.</summary>
    private const int WaitingBatches = 64;

    private readonly IPolicySource _source;
    private readonly AgentOptions _options;
    private readonly AgentMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<EnforcementLoop> _logger;
    private readonly PolicyStore _store = new();
    private readonly PolicyCompiler _compiler;
    private readonly EndpointResolver _resolver;
    private readonly Backoff _backoff = new();
    private readonly List<long> _observed = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly Channel<SourceBatch> _batches = Channel.CreateBounded<SourceBatch>(WaitingBatches);
    private readonly Channel<Func<Task>> _requests = Channel.CreateUnbounded<Func<Task>>();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private readonly IOtherDatapaths _others;

    private IDatapath _datapath;
    private LinkTable _links;
    private LinkTable? _resolvedLinks;
    private EquatableArray<IpAddress> _nodeAddresses;
    private ImmutableArray<Finding> _sourceProblems = [];
    private ImmutableArray<Finding> _applyProblems = [];
    private ImmutableArray<Finding> _removalProblems = [];
    private Finding? _failure;
    private AgentStatus _status;
    private bool _replace = true;
    private bool _retryDue;
    private long _busySince;

    /// <summary>Creates the loop; nothing happens before <see cref="RunAsync"/>.</summary>
    public EnforcementLoop(
        IPolicySource source,
        IDatapath datapath,
        DatapathChoice choice,
        IOtherDatapaths others,
        LinkTable links,
        AgentOptions options,
        AgentMetrics metrics,
        TimeProvider time,
        ILogger<EnforcementLoop> logger)
    {
        _source = source;
        _datapath = datapath;
        _others = others;
        _links = links;
        _options = options;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _nodeAddresses = NodeAddresses(links);
        _compiler = new PolicyCompiler(new PolicyOptions
        {
            NodeName = options.Node.Name,
            NodeAddresses = _nodeAddresses,
            Mode = options.Enforcement.Mode,
        });
        _resolver = new EndpointResolver(options.Enforcement.Mode == EnforcementMode.Strict ? options.Enforcement.InterfacePrefixes : []);
        _status = new AgentStatus { Datapath = choice };
        Status = new StatusBoard(_status);
    }

    /// <summary>What the loop has reached.</summary>
    public StatusBoard Status { get; }

    /// <summary>The datapath in use.</summary>
    public IDatapath Datapath => Volatile.Read(ref _datapath);

    /// <summary>Called on the loop's task when another datapath is in use.</summary>
    public Action? OnDatapathChanged { get; set; }

    /// <summary>How long the step that is running has been; zero between steps.</summary>
    public TimeSpan BusyFor => Interlocked.Read(ref _busySince) is var since and not 0 ? _time.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>Enforces until cancelled; enforcement stays in the kernel then.</summary>
    /// <param name="linkChanges">The interfaces after each change.</param>
    /// <param name="cancellationToken">Stops the loop between two applies.</param>
    /// <exception cref="CommandException">The first apply failed, or the source or the interfaces cannot be watched any more.</exception>
    public async Task RunAsync(ChannelReader<LinkTable> linkChanges, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] tasks = [PumpSourceAsync(stop.Token), PumpLinksAsync(linkChanges, stop.Token), StepsAsync(stop.Token)];
        var first = await Task.WhenAny(tasks);
        await stop.CancelAsync();
        await Task.WhenAll(tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ended.SetResult();
        try
        {
            await first;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            if (!Status.Current.Released)
            {
                LogStopped(Status.Current.AppliedRevision);
            }
        }
    }

    /// <summary>Runs something between two steps of the loop, where store, compiler and datapath may be used.</summary>
    public async Task<T> InvokeAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _requests.Writer.WriteAsync(RunAsync, cancellationToken);
        Wake();
        await Task.WhenAny(done.Task, _ended.Task).WaitAsync(cancellationToken);
        return done.Task.IsCompleted ? await done.Task : throw new OperationCanceledException("the enforcement loop has ended");

        async Task RunAsync()
        {
            try
            {
                done.SetResult(await work());
            }
            catch (Exception exception)
            {
                // It belongs to whoever asked, not to the loop.
                done.SetException(exception);
            }
        }
    }

    private async Task PumpSourceAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var batch in _source.WatchAsync(cancellationToken))
            {
                await _batches.Writer.WriteAsync(batch, cancellationToken);
                Wake();
            }
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The boundary to foreign code. A source retries by itself; one that throws has a defect.
            LogSourceFailed(_source.Name, exception);
            throw new CommandException(ExitCode.Failure, [$"source {_source.Name} failed: {exception.Message}"]);
        }

        cancellationToken.ThrowIfCancellationRequested();
        throw new CommandException(ExitCode.Failure, [$"source {_source.Name} ended by itself"]);
    }

    private async Task PumpLinksAsync(ChannelReader<LinkTable> changes, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var table in changes.ReadAllAsync(cancellationToken))
            {
                Volatile.Write(ref _links, table);
                Wake();
            }
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(ExitCode.Failure, [$"the interfaces of this machine cannot be watched any more: {exception.Message}"]);
        }

        // The watcher completes without an error only when it is disposed: the process is ending.
        await Task.Delay(Timeout.InfiniteTimeSpan, _time, cancellationToken);
    }

    private void Wake() => _wake.Writer.TryWrite(true);

    private async Task StepsAsync(CancellationToken cancellationToken)
    {
        await using var retry = _time.CreateTimer(
            _ =>
            {
                Volatile.Write(ref _retryDue, true);
                Wake();
            },
            null,
            Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
        while (true)
        {
            Interlocked.Exchange(ref _busySince, 0);
            await _wake.Reader.ReadAsync(cancellationToken);
            Interlocked.Exchange(ref _busySince, _time.GetTimestamp());
            await RunRequestsAsync();
            if (TakeBatches())
            {
                Publish();
            }

            if (_status.Synced && !_status.Released && (_failure is null || Interlocked.Exchange(ref _retryDue, false)))
            {
                await ApplyAsync(retry, cancellationToken);
            }
        }
    }

    private async Task RunRequestsAsync()
    {
        while (_requests.Reader.TryRead(out var request))
        {
            await request();
        }
    }

    private bool TakeBatches()
    {
        var any = false;
        while (_batches.Reader.TryRead(out var batch))
        {
            any = true;
            _compiler.Apply(_store.Apply(batch.Changes.AsSpan()).AsSpan());
            _sourceProblems = batch.Problems ?? _sourceProblems;
            _status = _status with { Revision = _status.Revision + batch.Accepted, Synced = _status.Synced || batch.Synced };
            if (batch.ObservedAt != 0)
            {
                _observed.Add(batch.ObservedAt);
            }
        }

        return any;
    }

    private async Task ApplyAsync(ITimer retry, CancellationToken cancellationToken)
    {
        var links = Volatile.Read(ref _links);
        var addresses = NodeAddresses(links);
        if (addresses != _nodeAddresses)
        {
            _nodeAddresses = addresses;
            _compiler.SetNodeAddresses(addresses);
        }

        var isFirst = !_status.Applied && _failure is null;
        var changes = _resolver.Resolve(Compile(), links);
        if (changes.IsEmpty && ReferenceEquals(links, _resolvedLinks) && _status.AppliedRevision == _status.Revision)
        {
            return;
        }

        try
        {
            if (!changes.IsEmpty)
            {
                _applyProblems = [.. (await _datapath.ApplyAsync(changes, cancellationToken)).Problems];
            }

            Succeeded(links);
            if (isFirst)
            {
                // A killed process may have left the rules of another datapath: they go now that this one enforces.
                await RemoveOthersAsync();
            }
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && !isFirst)
        {
            // The boundary to foreign code: whatever it throws, the last good state stays and the whole world is tried again.
            Failed(exception, retry);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            if (!await FallBackAsync(exception, cancellationToken))
            {
                LogFirstApplyFailed(_datapath.Name, exception);
                throw new CommandException(ExitCode.Failure, [$"datapath {_datapath.Name} could not enforce the first state: {exception.Message}"]);
            }
        }
    }

    private async Task<bool> FallBackAsync(Exception exception, CancellationToken cancellationToken)
    {
        if (await _others.TakeInsteadOfAsync(_datapath.Name, exception.Message, cancellationToken) is not var (next, choice))
        {
            return false;
        }

        LogFellBack(next.Name, choice.Reason);
        Use(next, choice);
        Wake();
        return true;
    }

    private void Use(IDatapath datapath, DatapathChoice choice)
    {
        Volatile.Write(ref _datapath, datapath);
        _status = _status with { Datapath = choice };
        OnDatapathChanged?.Invoke();
    }

    private async Task RemoveOthersAsync()
    {
        _removalProblems = await _others.RemoveAllButAsync(_datapath.Name);
        foreach (var problem in _removalProblems)
        {
            LogNotRemoved(problem.Object, problem.Message);
        }

        Publish();
    }

    private ChangeSet Compile()
    {
        var changes = _compiler.Flush(_status.Revision);
        return _replace ? _compiler.Snapshot(_status.Revision) : changes;
    }

    private void Succeeded(LinkTable links)
    {
        if (_failure is not null)
        {
            LogRecovered(_datapath.Name, _status.Revision);
        }

        foreach (var observed in _observed)
        {
            _metrics.EnforcementLatency.Record(_time.GetElapsedTime(observed));
        }

        if (!_status.Applied && _failure is null)
        {
            LogEnforcing(_datapath.Name, _status.Revision, _resolver.WorkloadCount);

            // A first state leaves several times its size in garbage, and a heap that is quiet from now on would keep it.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }

        _observed.Clear();
        _resolvedLinks = links;
        _replace = false;
        _failure = null;
        _backoff.Reset();
        _status = _status with { AppliedRevision = _status.Revision, Applied = true };
        Publish();
    }

    private void Failed(Exception exception, ITimer retry)
    {
        var delay = _backoff.Next();
        LogApplyFailed(_datapath.Name, _status.Revision, _status.AppliedRevision, delay.TotalMilliseconds, exception);
        _replace = true;
        _failure = new Finding(
            FindingSeverity.Error,
            default,
            $"datapath {_datapath.Name}",
            $"revision {_status.Revision} is not enforced, revision {_status.AppliedRevision} still is; retrying: {exception.Message}");
        _status = _status with { Applied = false };
        retry.Change(delay, Timeout.InfiniteTimeSpan);
        Publish();
    }

    private void Publish()
    {
        var compiled = _compiler.Metrics;
        ImmutableArray<Finding> failure = _failure is null ? [] : [_failure];
        _status = _status with
        {
            Endpoints = _resolver.WorkloadCount,
            EndpointsWithoutInterface = _resolver.Endpoints.Values.Count(endpoint => endpoint.Link is null),
            Policies = compiled.Policies,
            PeerSets = compiled.PeerSets,
            RuleSets = compiled.RuleSets,
            Problems = [.. failure, .. _sourceProblems, .. _resolver.Problems, .. _applyProblems, .. _removalProblems],
        };
        Status.Publish(_status);
    }

    private EquatableArray<IpAddress> NodeAddresses(LinkTable links) =>
        _options.Node.Addresses.Count > 0 ? _options.Node.Addresses.ToEquatableArray() : links.OwnAddresses;
}
