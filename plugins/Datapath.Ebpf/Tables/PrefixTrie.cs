using System.Numerics;
using System.Runtime.CompilerServices;
using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>A prefix of either family as left-aligned bits; bits behind the length are zero.</summary>
internal readonly record struct PrefixBits(ulong High, ulong Low, int Length) : IComparable<PrefixBits>
{
    public static PrefixBits From(IpPrefix prefix)
    {
        var bits = prefix.Address.Bits;
        return prefix.Family == IpFamily.IPv4
            ? new PrefixBits((ulong)bits << 32, 0, prefix.Length)
            : new PrefixBits((ulong)(bits >> 64), (ulong)bits, prefix.Length);
    }

    public static ulong MaskHigh(int length) => length >= 64 ? ulong.MaxValue : ~(ulong.MaxValue >> length);

    public static ulong MaskLow(int length) => length <= 64 ? 0 : length == 128 ? ulong.MaxValue : ~(ulong.MaxValue >> (length - 64));

    /// <summary>The first <paramref name="length"/> bits.</summary>
    public PrefixBits Truncate(int length) => new(High & MaskHigh(length), Low & MaskLow(length), length);

    public bool Bit(int index) => index < 64 ? (High << index >> 63) != 0 : (Low << (index - 64) >> 63) != 0;

    /// <summary>The number of leading bits both have in common, however long they are.</summary>
    public int CommonBits(in PrefixBits other)
    {
        var high = High ^ other.High;
        return high != 0 ? BitOperations.LeadingZeroCount(high) : 64 + BitOperations.LeadingZeroCount(Low ^ other.Low);
    }

    public bool Contains(in PrefixBits other) => other.Length >= Length && CommonBits(other) >= Length;

    /// <summary>The bits before <paramref name="end"/>, as many as <paramref name="mask"/> has.</summary>
    public int Index(int end, uint mask) => (int)((end <= 64 ? High >> (64 - end) : Low >> (128 - end)) & mask);

    public int CompareTo(PrefixBits other)
    {
        var order = High.CompareTo(other.High);
        order = order != 0 ? order : Low.CompareTo(other.Low);
        return order != 0 ? order : Length.CompareTo(other.Length);
    }
}

/// <summary>A path-compressed binary trie of prefixes in one array, each with a set number; 64 bytes a prefix.</summary>
/// <remarks>Remembers the path to the prefix it was last asked for: asking in ascending order costs a few steps each.</remarks>
internal sealed class PrefixTrie
{
    /// <summary>A prefix, or with an empty set the fork of two.</summary>
    internal struct Node
    {
        public ulong High;
        public ulong Low;
        public int Left;
        public int Right;
        public int Set;
        public int Length;

        public readonly PrefixBits Bits => new(High, Low, Length);

        public readonly bool IsLeaf => (Left | Right) == 0;
    }

    private Node[] _nodes = new Node[16];
    private readonly int[] _path = new int[129];
    private int _depth;
    private int _next = 1;
    private int _free;

    /// <summary>The topmost node; 0 when there is none.</summary>
    public int Root { get; private set; }

    /// <summary>Nodes in use, forks included.</summary>
    public int Count { get; private set; }

    public ref readonly Node this[int node] => ref _nodes[node];

    public void SetSet(int node, int set) => _nodes[node].Set = set;

    /// <summary>The node of a prefix, or 0.</summary>
    public int Find(in PrefixBits prefix)
    {
        Seek(prefix);
        return Ancestor(1) is var node && node != 0 && _nodes[node].Length == prefix.Length ? node : 0;
    }

    /// <summary>The node of a prefix, which is made when there is none.</summary>
    public int FindOrAdd(in PrefixBits prefix)
    {
        Seek(prefix);
        var parent = Ancestor(1);
        if (parent != 0 && _nodes[parent].Length == prefix.Length)
        {
            return parent;
        }

        var right = parent != 0 && prefix.Bit(_nodes[parent].Length);
        var below = parent == 0 ? Root : Child(parent, right);
        var added = Allocate(prefix);
        if (below == 0)
        {
            Link(parent, right, added);
        }
        else
        {
            Insert(added, parent, right, below);
        }

        _path[_depth++] = added;
        return added;
    }

    /// <summary>Removes a prefix whose set has become empty.</summary>
    public void Remove(in PrefixBits prefix)
    {
        Seek(prefix);
        var (current, parent, grandparent) = (Ancestor(1), Ancestor(2), Ancestor(3));
        if (_nodes[current].Left != 0 && _nodes[current].Right != 0)
        {
            return;
        }

        var child = _nodes[current].Left | _nodes[current].Right;
        Replace(parent, current, child);
        Free(current);
        if (child == 0 && parent != 0 && _nodes[parent].Set == SetPool.Empty)
        {
            Replace(grandparent, parent, _nodes[parent].Left | _nodes[parent].Right);
            Free(parent);
        }
    }

    /// <summary>The child on one side; 0 when there is none.</summary>
    public int Child(int node, bool right) => right ? _nodes[node].Right : _nodes[node].Left;

    /// <summary>Every node in ascending order, a prefix before its parts.</summary>
    public IEnumerable<Node> InOrder()
    {
        var pending = new Stack<int>([Root]);
        while (pending.TryPop(out var current))
        {
            if (current != 0)
            {
                pending.Push(_nodes[current].Right);
                pending.Push(_nodes[current].Left);
                yield return _nodes[current];
            }
        }
    }

    /// <summary>Makes the path the nodes that contain a prefix.</summary>
    // Compiled once and well: the first world an agent writes would otherwise run in unoptimized code.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Seek(in PrefixBits prefix)
    {
        while (_depth > 0 && !_nodes[_path[_depth - 1]].Bits.Contains(prefix))
        {
            _depth--;
        }

        var node = _depth == 0 ? Root : Next(_path[_depth - 1], prefix);
        while (node != 0 && _nodes[node].Bits.Contains(prefix))
        {
            _path[_depth++] = node;
            node = Next(node, prefix);
        }
    }

    private int Next(int node, in PrefixBits prefix) =>
        _nodes[node].Length < prefix.Length ? Child(node, prefix.Bit(_nodes[node].Length)) : 0;

    /// <summary>The last node of the path, the one before it, and so on; 0 above the first.</summary>
    private int Ancestor(int steps) => _depth >= steps ? _path[_depth - steps] : 0;

    /// <summary>Puts a prefix between a node and a child that does not contain it.</summary>
    private void Insert(int added, int parent, bool right, int below)
    {
        var prefix = _nodes[added].Bits;
        var common = Math.Min(prefix.Length, _nodes[below].Bits.CommonBits(prefix));
        var belowRight = _nodes[below].Bits.Bit(common);
        if (common == prefix.Length)
        {
            Link(added, belowRight, below);
            Link(parent, right, added);
            return;
        }

        var fork = Allocate(prefix.Truncate(common));
        Link(fork, belowRight, below);
        Link(fork, !belowRight, added);
        Link(parent, right, fork);
        _path[_depth++] = fork;
    }

    private void Replace(int parent, int child, int by)
    {
        Link(parent, parent != 0 && _nodes[parent].Right == child, by);
        _depth--;
    }

    private void Link(int parent, bool right, int child)
    {
        if (parent == 0)
        {
            Root = child;
        }
        else if (right)
        {
            _nodes[parent].Right = child;
        }
        else
        {
            _nodes[parent].Left = child;
        }
    }

    private int Allocate(in PrefixBits prefix)
    {
        Count++;
        var node = _free;
        if (node != 0)
        {
            _free = _nodes[node].Left;
        }
        else
        {
            node = _next++;
            if (node == _nodes.Length)
            {
                Array.Resize(ref _nodes, node * 2);
            }
        }

        _nodes[node] = new Node { High = prefix.High, Low = prefix.Low, Length = prefix.Length };
        return node;
    }

    private void Free(int node)
    {
        Count--;
        _nodes[node] = new Node { Left = _free };
        _free = node;
    }
}
