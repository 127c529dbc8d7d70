using System.Collections.Immutable;
using System.Threading.Channels;
using Portcullis.Resources;

namespace Portcullis.Sources.Kubernetes;

/// <summary>
/// Where informers put what they learn and the source takes it. Holds at most one change for each object, however slow the
/// reader is. Thread-safe.
/// </summary>
internal sealed class ChangeBoard
{
    private readonly Lock _lock = new();
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly HashSet<string> _unsynced = [];
    private readonly SortedDictionary<string, Finding> _kindProblems = new(StringComparer.Ordinal);
    private readonly Dictionary<ResourceKey, ImmutableArray<Finding>> _objectProblems = [];
    private Dictionary<ResourceKey, int> _places = [];
    private ImmutableArray<ResourceChange>.Builder _changes = ImmutableArray.CreateBuilder<ResourceChange>();
    private ImmutableArray<Finding> _told = [];
    private long _observedAt;
    private int _accepted;
    private bool _problemsChanged;
    private bool _toldSynced;

    /// <summary>The state is not complete before a kind is synced.</summary>
    public void Expect(string kind)
    {
        lock (_lock)
        {
            _unsynced.Add(kind);
        }
    }

    /// <summary>Something changed.</summary>
    public void Add(IReadOnlyCollection<ResourceChange> changes, long observedAt)
    {
        if (changes.Count == 0)
        {
            return;
        }

        lock (_lock)
        {
            foreach (var change in changes)
            {
                Put(change);
            }

            _accepted += changes.Count;
            _observedAt = _observedAt == 0 ? observedAt : _observedAt;
        }

        Wake();
    }

    /// <summary>Everything there is of a kind is known.</summary>
    public void MarkSynced(string kind)
    {
        lock (_lock)
        {
            if (!_unsynced.Remove(kind))
            {
                return;
            }
        }

        Wake();
    }

    /// <summary>What is wrong with reading a kind; null: nothing.</summary>
    public void SetProblem(string kind, Finding? problem)
    {
        lock (_lock)
        {
            if (_kindProblems.GetValueOrDefault(kind) == problem)
            {
                return;
            }

            if (problem is null)
            {
                _kindProblems.Remove(kind);
            }
            else
            {
                _kindProblems[kind] = problem;
            }

            _problemsChanged = true;
        }

        Wake();
    }

    /// <summary>What is wrong with an object.</summary>
    public void SetProblems(ResourceKey key, ImmutableArray<Finding> problems)
    {
        lock (_lock)
        {
            if (_objectProblems.TryGetValue(key, out var known) ? known.SequenceEqual(problems) : problems.IsEmpty)
            {
                return;
            }

            if (problems.IsEmpty)
            {
                _objectProblems.Remove(key);
            }
            else
            {
                _objectProblems[key] = problems;
            }

            _problemsChanged = true;
        }

        Wake();
    }

    /// <summary>Waits for something to tell and takes all of it.</summary>
    public async Task<SourceBatch> TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _signal.Reader.ReadAsync(cancellationToken);
            lock (_lock)
            {
                var batch = Take();
                if (batch.Accepted > 0 || batch.Synced || batch.Problems is not null)
                {
                    return batch;
                }
            }
        }
    }

    private SourceBatch Take()
    {
        var batch = new SourceBatch
        {
            Changes = _changes.DrainToImmutable(),
            Accepted = _accepted,
            ObservedAt = _observedAt,
            Synced = !_toldSynced && _unsynced.Count == 0,
            Problems = TakeProblems(),
        };
        _toldSynced |= batch.Synced;
        _changes = ImmutableArray.CreateBuilder<ResourceChange>();
        _places = [];
        _accepted = 0;
        _observedAt = 0;
        return batch;
    }

    private ImmutableArray<Finding>? TakeProblems()
    {
        if (!_problemsChanged)
        {
            return null;
        }

        _problemsChanged = false;

        // An unreachable server is one problem, however many kinds it keeps from being read.
        ImmutableArray<Finding> now =
        [
            .. _kindProblems.Values.Distinct(),
            .. _objectProblems.OrderBy(entry => entry.Key.ToString(), StringComparer.Ordinal).SelectMany(entry => entry.Value),
        ];
        if (now.SequenceEqual(_told))
        {
            return null;
        }

        _told = now;
        return now;
    }

    private void Put(ResourceChange change)
    {
        if (_places.TryGetValue(change.Key, out var place))
        {
            _changes[place] = change;
        }
        else
        {
            _places.Add(change.Key, _changes.Count);
            _changes.Add(change);
        }
    }

    private void Wake() => _signal.Writer.TryWrite(true);
}
