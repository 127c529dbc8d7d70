using System.Buffers;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
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
internal sealed class PrefixBatch(int capacity) : IDisposable
{
    /// <summary>From here on a sort by bytes takes less time than one by comparisons.</summary>
    private const int Many = 1_000;

    private readonly List<Run> _runs = [];

    // Sorted in the place of the changes themselves, which are three times as large, and rented: memory that is touched for the
    // first time costs more than the sort.
    private ulong[] _keys = ArrayPool<ulong>.Shared.Rent(capacity);
    private Place[] _places = ArrayPool<Place>.Shared.Rent(capacity);
    private ulong[] _otherKeys = ArrayPool<ulong>.Shared.Rent(capacity < Many ? 0 : capacity);
    private Place[] _otherPlaces = ArrayPool<Place>.Shared.Rent(capacity < Many ? 0 : capacity);
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
        Sort();
        var runs = CollectionsMarshal.AsSpan(_runs);
        foreach (var (run, item) in _places.AsSpan(0, _count))
        {
            ref readonly var changes = ref runs[run];
            ref readonly var prefix = ref changes.Prefixes.ItemRef(item);
            apply(new PrefixChange(PrefixBits.From(prefix), changes.Set, prefix.Family == IpFamily.IPv4, changes.IsAdded));
        }
    }

    /// <summary>Gives the memory back; nothing may be asked for any more.</summary>
    public void Dispose()
    {
        ArrayPool<ulong>.Shared.Return(_keys);
        ArrayPool<ulong>.Shared.Return(_otherKeys);
        ArrayPool<Place>.Shared.Return(_places);
        ArrayPool<Place>.Shared.Return(_otherPlaces);
    }

    private void Sort()
    {
        var keys = _keys.AsSpan(0, _count);
        if (_count < Many)
        {
            keys.Sort(_places.AsSpan(0, _count));
            return;
        }

        var (all, none) = (ulong.MaxValue, 0ul);
        foreach (var key in keys)
        {
            all &= key;
            none |= key;
        }

        // By each byte in which keys differ, from the last to the first: a pass keeps the order of those before it.
        for (var shift = 0; shift < 64; shift += 8)
        {
            if (((all ^ none) >> shift & 0xff) != 0)
            {
                SortByByte(shift);
            }
        }
    }

    private void SortByByte(int shift)
    {
        Span<int> next = stackalloc int[257];
        next.Clear();
        foreach (var key in _keys.AsSpan(0, _count))
        {
            next[(byte)(key >> shift) + 1]++;
        }

        for (var value = 1; value < 256; value++)
        {
            next[value] += next[value - 1];
        }

        for (var i = 0; i < _count; i++)
        {
            var to = next[(byte)(_keys[i] >> shift)]++;
            (_otherKeys[to], _otherPlaces[to]) = (_keys[i], _places[i]);
        }

        (_keys, _otherKeys) = (_otherKeys, _keys);
        (_places, _otherPlaces) = (_otherPlaces, _places);
    }
}
