using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>
/// All peer sets and rule sets there are, apart from any kernel table: what a generation is built from. A prefix has the set
/// of the peer sets that hold it.
/// </summary>
internal sealed class CompiledWorld
{
    private readonly Dictionary<PeerSetId, PeerSet> _peerSets = [];
    private readonly Dictionary<RuleSetId, RuleSet> _ruleSets = [];
    private readonly HashSet<PrefixBits> _changed4 = [];
    private readonly HashSet<PrefixBits> _changed6 = [];
    private ChangeSet? _pending;
    private PrefixBits? _lastChanged;
    private bool _lastChangedIsV4;

    public SetPool Sets { get; } = new();

    public PrefixTrie Trie4 { get; } = new();

    public PrefixTrie Trie6 { get; } = new();

    public IReadOnlyDictionary<RuleSetId, RuleSet> RuleSets => _ruleSets;

    public int PeerSetCount => _peerSets.Count;

    /// <summary>Whether <see cref="Complete"/> will take out anything.</summary>
    public bool HasRemovals => _pending is { RemovedRuleSets.IsEmpty: false } or { RemovedPeerSets.IsEmpty: false };

    /// <summary>The rule sets that <see cref="Complete"/> will take out.</summary>
    public IEnumerable<RuleSetId> RuleSetsToRemove => _pending?.RemovedRuleSets ?? [];

    /// <summary>The prefixes inside which something changed since <see cref="ClearChanged"/>.</summary>
    public IReadOnlySet<PrefixBits> Changed(IpFamily family) => family == IpFamily.IPv4 ? _changed4 : _changed6;

    public void ClearChanged()
    {
        _changed4.Clear();
        _changed6.Clear();
        _lastChanged = null;
    }

    /// <summary>Takes in what a change set adds. What it removes stays until <see cref="Complete"/>.</summary>
    /// <exception cref="ArgumentException">The change set contradicts earlier ones.</exception>
    public void Apply(ChangeSet changes)
    {
        if (_pending is not null)
        {
            throw new InvalidOperationException("the previous change set is not completed");
        }

        _pending = changes;
        foreach (var id in changes.RemovedRuleSets)
        {
            if (!_ruleSets.ContainsKey(id))
            {
                throw new ArgumentException($"rule set {id.Value} to be removed is unknown", nameof(changes));
            }
        }

        var removed = changes.RemovedPeerSets.ToHashSet();
        using var batch = new PrefixBatch(changes.PeerSets.Sum(delta => delta.Added.Length + delta.Removed.Length));
        foreach (var delta in changes.PeerSets)
        {
            // Rules that go together with their set keep all of it until they are gone.
            if (!removed.Contains(delta.Id))
            {
                Collect(delta, batch);
            }
        }

        batch.ForEach(Apply);

        foreach (var ruleSet in changes.RuleSets)
        {
            if (!_ruleSets.TryAdd(ruleSet.Id, ruleSet))
            {
                throw new ArgumentException($"rule set {ruleSet.Id.Value} is there already", nameof(changes));
            }
        }
    }

    /// <summary>Takes out what the last change set removes.</summary>
    public void Complete()
    {
        foreach (var id in RuleSetsToRemove)
        {
            _ruleSets.Remove(id);
        }

        foreach (var id in _pending?.RemovedPeerSets ?? [])
        {
            if (_peerSets.Remove(id, out var set))
            {
                RemoveAll(set);
            }
        }

        _pending = null;
        Sets.SweepIfMany();
    }

    /// <summary>Prepares for being written into new tables from the beginning.</summary>
    public void Restart()
    {
        Complete();
        ClearChanged();
        Sets.ReleaseAll();
        foreach (var node in Trie4.InOrder().Concat(Trie6.InOrder()))
        {
            Sets.AddReference(node.Set);
        }

        _changed4.Add(default);
        _changed6.Add(default);
    }

    private void Collect(PeerSetDelta delta, PrefixBatch batch)
    {
        if (!_peerSets.TryGetValue(delta.Id, out var set))
        {
            _peerSets.Add(delta.Id, set = new PeerSet(delta.Id.Value));
        }

        if (set.Nodes.Count > (4 * set.Count) + 64)
        {
            Compact(set);
        }

        set.Nodes.EnsureCapacity(set.Nodes.Count + delta.Added.Length);
        batch.Add(delta.Removed, set, isAdded: false);
        batch.Add(delta.Added, set, isAdded: true);
    }

    private void Apply(in PrefixChange change)
    {
        var trie = change.IsV4 ? Trie4 : Trie6;
        var set = change.Set;
        var node = change.IsAdded ? trie.FindOrAdd(change.Prefix) : trie.Find(change.Prefix);
        var before = trie[node].Set;
        var after = change.IsAdded ? Sets.With(before, set.Id) : Sets.Without(before, set.Id);
        if (after == before)
        {
            var problem = change.IsAdded ? "already has" : "does not have";
            throw new ArgumentException($"peer set {set.Id} {problem} {change.Prefix}", nameof(change));
        }

        if (!change.IsAdded)
        {
            Remove(after, node, change.IsV4);
            set.Count--;
            return;
        }

        Put(trie, node, after, change.IsV4);
        set.Nodes.Add(change.IsV4 ? node : ~node);
        set.Count++;
    }

    private void Remove(int after, int node, bool isV4)
    {
        var trie = isV4 ? Trie4 : Trie6;
        Put(trie, node, after, isV4);
        if (trie[node].Set == SetPool.Empty)
        {
            trie.Remove(trie[node].Bits);
        }
    }

    private void Put(PrefixTrie trie, int node, int set, bool isV4)
    {
        Sets.AddReference(set);
        Sets.Release(trie[node].Set);
        trie.SetSet(node, set);
        MarkChanged(trie[node].Bits, isV4);
    }

    private void RemoveAll(PeerSet set)
    {
        foreach (var encoded in set.Nodes)
        {
            if (Has(encoded, set.Id))
            {
                var (trie, node) = encoded < 0 ? (Trie6, ~encoded) : (Trie4, encoded);
                Remove(Sets.Without(trie[node].Set, set.Id), node, encoded >= 0);
            }
        }
    }

    private void Compact(PeerSet set)
    {
        var nodes = set.Nodes.Distinct().Where(encoded => Has(encoded, set.Id)).ToArray();
        set.Nodes.Clear();
        set.Nodes.AddRange(nodes);
    }

    private bool Has(int encoded, int id) => Sets.Contains(encoded < 0 ? Trie6[~encoded].Set : Trie4[encoded].Set, id);

    /// <summary>Addresses that share a last-level block are painted together.</summary>
    private void MarkChanged(in PrefixBits bits, bool isV4)
    {
        var longest = (isV4 ? 32 : 128) - 8;
        var range = bits.Length > longest ? bits.Truncate(longest) : bits;
        if (range != _lastChanged || isV4 != _lastChangedIsV4)
        {
            (isV4 ? _changed4 : _changed6).Add(range);
            (_lastChanged, _lastChangedIsV4) = (range, isV4);
        }
    }
}
