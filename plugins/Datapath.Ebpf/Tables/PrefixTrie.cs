using System.Numerics;
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
        var node = Root;
        while (node != 0 && _nodes[node].Length < prefix.Length)
        {
            node = Child(node, prefix.Bit(_nodes[node].Length));
        }

        return node != 0 && _nodes[node].Bits == prefix ? node : 0;
    }

    /// <summary>The node of a prefix, which is made when there is none.</summary>
    public int FindOrAdd(in PrefixBits prefix)
    {
        var (parent, right, current) = (0, false, Root);
        while (current != 0)
        {
            ref var node = ref _nodes[current];
            var common = Math.Min(node.Bits.CommonBits(prefix), Math.Min(prefix.Length, node.Length));
            if (common < node.Length)
            {
                return Insert(prefix, common, parent, right, current);
            }

            if (node.Length == prefix.Length)
            {
                return current;
            }

            (parent, right) = (current, prefix.Bit(node.Length));
            current = right ? node.Right : node.Left;
        }

        var leaf = Allocate(prefix);
        Link(parent, right, leaf);
        return leaf;
    }

    /// <summary>Removes a prefix whose set has become empty.</summary>
    public void Remove(in PrefixBits prefix)
    {
        var (grandparent, parent, current) = (0, 0, Root);
        var (parentRight, right) = (false, false);
        while (_nodes[current].Length < prefix.Length)
        {
            (grandparent, parentRight) = (parent, right);
            (parent, right) = (current, prefix.Bit(_nodes[current].Length));
            current = Child(parent, right);
        }

        ref var node = ref _nodes[current];
        if (node.Left != 0 && node.Right != 0)
        {
            return;
        }

        var child = node.Left | node.Right;
        Link(parent, right, child);
        Free(current);
        if (child == 0 && parent != 0 && _nodes[parent].Set == SetPool.Empty)
        {
            Link(grandparent, parentRight, _nodes[parent].Left | _nodes[parent].Right);
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

    private int Insert(in PrefixBits prefix, int common, int parent, bool right, int below)
    {
        var belowRight = _nodes[below].Bits.Bit(common);
        var added = Allocate(prefix);
        if (common == prefix.Length)
        {
            Link(added, belowRight, below);
            Link(parent, right, added);
            return added;
        }

        var fork = Allocate(prefix.Truncate(common));
        Link(fork, belowRight, below);
        Link(fork, !belowRight, added);
        Link(parent, right, fork);
        return added;
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
