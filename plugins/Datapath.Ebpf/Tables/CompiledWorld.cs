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

    /// <summary>A peer set's nodes in the tries, IPv6 ones as complement; some may no longer be in the set.</summary>
    private sealed class PeerSet
    {
        public List<int> Nodes { get; } = [];

        public int Count { get; set; }
    }

    public SetPool Sets { get; } = new();

    public PrefixTrie Trie4 { get; } = new();

    public PrefixTrie Trie6 { get; } = new();

    public IReadOnlyDictionary<RuleSetId, RuleSet> RuleSets => _ruleSets;

    public int PeerSetCount => _peerSets.Count;

    /// <summary>The rule sets that <see cref="Complete"/> will take out.</summary>
    public IEnumerable<RuleSetId> RuleSetsToRemove => _pending?.RemovedRuleSets ?? [];

    /// <summary>The prefixes inside which something changed since <see cref="ClearChanged"/>.</summary>
    public IReadOnlySet<PrefixBits> Changed(IpFamily family) => family == IpFamily.IPv4 ? _changed4 : _changed6;

    public void ClearChanged()
    {
        _changed4.Clear();
        _changed6.Clear();
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
        foreach (var delta in changes.PeerSets)
        {
            // Rules that go together with their set keep all of it until they are gone.
            if (!removed.Contains(delta.Id))
            {
                Apply(delta);
            }
        }

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
                RemoveAll(id.Value, set);
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

    private void Apply(PeerSetDelta delta)
    {
        if (!_peerSets.TryGetValue(delta.Id, out var set))
        {
            _peerSets.Add(delta.Id, set = new PeerSet());
        }

        set.Nodes.EnsureCapacity(set.Nodes.Count + delta.Added.Length);
        foreach (var prefix in delta.Removed.AsSpan())
        {
            Remove(delta.Id.Value, prefix, set);
        }

        foreach (var prefix in delta.Added.AsSpan())
        {
            Add(delta.Id.Value, prefix, set);
        }

        if (set.Nodes.Count > (2 * set.Count) + 64)
        {
            Compact(delta.Id.Value, set);
        }
    }

    private void Add(int id, in IpPrefix prefix, PeerSet set)
    {
        var isV4 = prefix.Family == IpFamily.IPv4;
        var trie = isV4 ? Trie4 : Trie6;
        var bits = PrefixBits.From(prefix);
        var node = trie.FindOrAdd(bits);
        var before = trie[node].Set;
        var after = Sets.With(before, id);
        if (after == before)
        {
            throw new ArgumentException($"peer set {id} already has {prefix}", nameof(prefix));
        }

        trie.SetSet(node, after);
        Sets.AddReference(after);
        Sets.Release(before);
        MarkChanged(bits, isV4);
        set.Nodes.Add(isV4 ? node : ~node);
        set.Count++;
    }

    private void Remove(int id, in IpPrefix prefix, PeerSet set)
    {
        var isV4 = prefix.Family == IpFamily.IPv4;
        var bits = PrefixBits.From(prefix);
        var node = (isV4 ? Trie4 : Trie6).Find(bits);
        if (node == 0 || !Sets.Contains((isV4 ? Trie4 : Trie6)[node].Set, id))
        {
            throw new ArgumentException($"peer set {id} does not have {prefix}", nameof(prefix));
        }

        Remove(id, node, isV4);
        set.Count--;
    }

    private void Remove(int id, int node, bool isV4)
    {
        var trie = isV4 ? Trie4 : Trie6;
        var bits = trie[node].Bits;
        var before = trie[node].Set;
        var after = Sets.Without(before, id);
        trie.SetSet(node, after);
        Sets.AddReference(after);
        Sets.Release(before);
        MarkChanged(bits, isV4);
        if (after == SetPool.Empty)
        {
            trie.Remove(bits);
        }
    }

    private void RemoveAll(int id, PeerSet set)
    {
        foreach (var encoded in set.Nodes)
        {
            if (Has(encoded, id))
            {
                Remove(id, encoded < 0 ? ~encoded : encoded, encoded >= 0);
            }
        }
    }

    private void Compact(int id, PeerSet set)
    {
        var nodes = set.Nodes.Distinct().Where(encoded => Has(encoded, id)).ToArray();
        set.Nodes.Clear();
        set.Nodes.AddRange(nodes);
    }

    private bool Has(int encoded, int id) => Sets.Contains(encoded < 0 ? Trie6[~encoded].Set : Trie4[encoded].Set, id);

    /// <summary>Addresses that share a last-level block are painted together.</summary>
    private void MarkChanged(in PrefixBits bits, bool isV4)
    {
        var longest = (isV4 ? 32 : 128) - 8;
        (isV4 ? _changed4 : _changed6).Add(bits.Length > longest ? bits.Truncate(longest) : bits);
    }
}
