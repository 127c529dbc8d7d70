using System.Collections.Immutable;
using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>A peer set's nodes in the tries, IPv6 ones as complement. Some may no longer be in the set, and some be there twice.</summary>
internal sealed class PeerSet(int id)
{
    public int Id => id;

    public List<int> Nodes { get; } = [];

    /// <summary>The number of prefixes that are in the set.</summary>
    public int Count { get; set; }
}

/// <summary>A prefix that comes into a peer set or leaves it.</summary>
internal readonly record struct PrefixChange(PrefixBits Prefix, PeerSet Set, bool IsV4, bool IsAdded);

/// <summary>The changes of all peer sets of one change set, put into an order in which neighbours in the trie are neighbours.</summary>
internal sealed class PrefixBatch(int capacity)
{
    private readonly List<Run> _runs = [];

    // Sorted in the place of the changes themselves, which are three times as large: memory that is touched for the first time
    // costs as much as all the rest.
    private readonly ulong[] _keys = new ulong[capacity];
    private readonly Place[] _places = new Place[capacity];
    private int _count;

    public delegate void Apply(in PrefixChange change);

    private readonly record struct Run(ImmutableArray<IpPrefix> Prefixes, PeerSet Set, bool IsAdded);

    private readonly record struct Place(int Run, int Item);

    public void Add(ImmutableArray<IpPrefix> prefixes, PeerSet set, bool isAdded)
    {
        for (var i = 0; i < prefixes.Length; i++)
        {
            var bits = PrefixBits.From(prefixes[i]);

            // Any order is right; this one sorts fast and is near enough to ascending: many long prefixes differ in their end only.
            _keys[_count] = bits.Length <= 64 ? bits.High : bits.Low;
            _places[_count++] = new Place(_runs.Count, i);
        }

        _runs.Add(new Run(prefixes, set, isAdded));
    }

    /// <summary>Calls <paramref name="apply"/> with each change.</summary>
    public void ForEach(Apply apply)
    {
        _keys.AsSpan(0, _count).Sort(_places.AsSpan(0, _count));
        foreach (var (run, item) in _places.AsSpan(0, _count))
        {
            var (prefixes, set, isAdded) = _runs[run];
            var prefix = prefixes[item];
            apply(new PrefixChange(PrefixBits.From(prefix), set, prefix.Family == IpFamily.IPv4, isAdded));
        }
    }
}
