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
    public delegate void Apply(in PrefixChange change);

    private readonly PrefixChange[] _changes = new PrefixChange[capacity];
    private readonly ulong[] _keys = new ulong[capacity];
    private int _count;

    public void Add(in IpPrefix prefix, PeerSet set, bool isAdded)
    {
        var bits = PrefixBits.From(prefix);
        _changes[_count] = new PrefixChange(bits, set, prefix.Family == IpFamily.IPv4, isAdded);

        // Any order is right; this one sorts fast and is near enough to ascending: many long prefixes differ in their end only.
        _keys[_count++] = bits.Length <= 64 ? bits.High : bits.Low;
    }

    /// <summary>Calls <paramref name="apply"/> with each change.</summary>
    public void ForEach(Apply apply)
    {
        var order = new int[_count];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        _keys.AsSpan(0, _count).Sort(order.AsSpan());
        foreach (var index in order)
        {
            apply(in _changes[index]);
        }
    }
}
