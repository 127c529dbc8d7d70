namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>
/// IPv6: nodes that skip the bits all prefixes below have in common, and blocks where they part. A block belongs to one
/// node; a node that takes its place may take the block over, so a change near the root leaves the blocks below alone.
/// </summary>
internal sealed unsafe class AddressTable6(
    KernelTables tables, SlotAllocator blocks, SlotAllocator nodes, AddressClasses classes, SetPool sets, PrefixTrie trie)
    : AddressTable(tables, blocks, classes, sets, trie)
{
    private readonly int[] _skip = new int[tables.Node6Capacity];
    private readonly int[] _owner = new int[tables.BlockCapacity];
    private uint _donor;

    /// <summary>What leads on from an entry: a test of the first <see cref="Skip"/> bits, then a class or a block.</summary>
    private readonly record struct Shape(PrefixBits Value, int Skip, bool IsBlock, Place Place);

    /// <summary>The number of blocks and nodes these prefixes need.</summary>
    public static (int Blocks, int Nodes) Count(PrefixTrie trie) => trie.Root == 0 ? (0, 0) : CountEntry(trie, 0, trie.Root);

    protected override void Paint(in PrefixBits prefix)
    {
        var entry = &Tables.Config->Root6;
        var end = 0;
        var place = new Place(Trie.Root, SetPool.Empty);
        while (prefix.Length > end && place.Node != 0 && TryEnter(end, place, *entry, prefix, out var level))
        {
            var index = prefix.Index(level.End, level.Mask);
            if (prefix.Length < level.End)
            {
                PaintRange(level, index, index + (1 << (level.End - prefix.Length)) - 1, Descend(place, prefix));
                return;
            }

            entry = level.At(index);
            end = level.End;
            place = Descend(place, prefix.Truncate(end));
        }

        Set(entry, place.Node == 0 ? Classes.Of(place.Inherited) : Build(end, place, *entry));
    }

    protected override uint Build(int end, Place place, uint current)
    {
        place = SkipOnlyChild(end, place);
        if (Trie[place.Node].Length == end && Trie[place.Node].IsLeaf)
        {
            return Classes.Of(Sets.Union(place.Inherited, Trie[place.Node].Set));
        }

        var shape = ShapeOf(place);
        var fits = Reference.IsNode(current) && Fits(Reference.Index(current), shape);
        var node = fits ? Reference.Index(current) : NewNode(shape);
        if (shape.IsBlock)
        {
            BuildBlock(node, fits, shape, current);
        }
        else
        {
            Set(&Tables.Nodes6[node].Next, Classes.Of(Sets.Union(place.Inherited, Trie[place.Node].Set)));
        }

        Set(&Tables.Nodes6[node].Otherwise, Classes.Of(place.Inherited));
        return Reference.Node | (uint)node;
    }

    protected override void FreeNode(int node)
    {
        Classes.Unuse(Tables.Nodes6[node].Otherwise);
        var next = Tables.Nodes6[node].Next;
        if (!Reference.IsBlock(next) || _owner[Reference.Index(next)] == node)
        {
            Free(next);
        }

        nodes.Retire(node);
    }

    private static (int Blocks, int Nodes) CountEntry(PrefixTrie trie, int end, int node)
    {
        while (trie[node].Length == end && !trie[node].IsLeaf && (trie[node].Left == 0 || trie[node].Right == 0))
        {
            node = trie[node].Left | trie[node].Right;
        }

        if (trie[node].IsLeaf)
        {
            return (0, trie[node].Length == end ? 0 : 1);
        }

        var (blocks, inner) = CountRange(trie, (trie[node].Length & ~7) + 8, node);
        return (blocks + 1, inner + 1);
    }

    private static (int Blocks, int Nodes) CountRange(PrefixTrie trie, int end, int node)
    {
        if (node == 0)
        {
            return (0, 0);
        }

        if (trie[node].Length >= end)
        {
            return CountEntry(trie, end, node);
        }

        var left = CountRange(trie, end, trie[node].Left);
        var right = CountRange(trie, end, trie[node].Right);
        return (left.Blocks + right.Blocks, left.Nodes + right.Nodes);
    }

    /// <summary>Whether a change of <paramref name="prefix"/> touches nothing but entries of the block behind this entry.</summary>
    private bool TryEnter(int end, Place place, uint entry, in PrefixBits prefix, out Level level)
    {
        level = default;
        if (!Reference.IsNode(entry))
        {
            return false;
        }

        var node = Reference.Index(entry);
        var shape = ShapeOf(SkipOnlyChild(end, place));
        if (!shape.IsBlock || !Fits(node, shape) || prefix.Length <= shape.Skip || !shape.Value.Contains(prefix))
        {
            return false;
        }

        level = LevelOf(Reference.Index(Tables.Nodes6[node].Next), shape.Skip);
        return true;
    }

    /// <summary>Passes a prefix that fills its entry and has all others on one side: the entry needs no block for it.</summary>
    private Place SkipOnlyChild(int end, Place place)
    {
        while (Trie[place.Node].Length == end && !Trie[place.Node].IsLeaf && (Trie[place.Node].Left == 0 || Trie[place.Node].Right == 0))
        {
            var node = Trie[place.Node];
            place = new Place(node.Left | node.Right, Sets.Union(place.Inherited, node.Set));
        }

        return place;
    }

    private Shape ShapeOf(Place place)
    {
        var node = Trie[place.Node];
        var skip = node.IsLeaf ? node.Length : node.Length & ~7;
        return new Shape(node.Bits.Truncate(skip), skip, !node.IsLeaf, place);
    }

    private bool Fits(int node, Shape shape) =>
        _skip[node] == shape.Skip
        && Tables.Nodes6[node].ValueHigh == shape.Value.High
        && Tables.Nodes6[node].ValueLow == shape.Value.Low
        && Reference.IsBlock(Tables.Nodes6[node].Next) == shape.IsBlock;

    private int NewNode(Shape shape)
    {
        var node = nodes.Allocate();
        _skip[node] = shape.Skip;
        Tables.Nodes6[node] = new()
        {
            ValueHigh = shape.Value.High,
            ValueLow = shape.Value.Low,
            MaskHigh = PrefixBits.MaskHigh(shape.Skip),
            MaskLow = PrefixBits.MaskLow(shape.Skip),
            Low = shape.Skip < 64 ? 0u : 1u,
            Shift = (uint)(56 - (shape.Skip & 63 & ~7)),
        };
        return node;
    }

    private void BuildBlock(int node, bool fits, Shape shape, uint current)
    {
        var outer = _donor;
        var donor = Reference.IsNode(current) ? current : outer;
        var block = fits ? Reference.Index(Tables.Nodes6[node].Next) : FindBlock(donor, shape);

        // A block that is already there has whatever its entries need; a new one may take over blocks that were here before.
        _donor = block < 0 ? donor : 0;
        block = block < 0 ? AllocateBlock() : block;
        _owner[block] = node;
        PaintRange(LevelOf(block, shape.Skip), 0, BlockSize - 1, shape.Place);
        _donor = outer;
        if (!fits)
        {
            Tables.Nodes6[node].Next = Reference.Block | (uint)block;
        }
    }

    /// <summary>The block for the same bits at or below <paramref name="reference"/>; negative when there is none.</summary>
    private int FindBlock(uint reference, Shape shape)
    {
        while (Reference.IsNode(reference))
        {
            var node = Tables.Nodes6[Reference.Index(reference)];
            var skip = _skip[Reference.Index(reference)];
            if (skip > shape.Skip
                || !Reference.IsBlock(node.Next)
                || !new PrefixBits(node.ValueHigh, node.ValueLow, skip).Contains(shape.Value))
            {
                return -1;
            }

            var block = Reference.Index(node.Next);
            if (skip == shape.Skip)
            {
                return block;
            }

            reference = *LevelOf(block, skip).At(shape.Value.Index(skip + 8, 0xff));
        }

        return -1;
    }

    private Level LevelOf(int block, int skip) => new((nint)BlockEntries(block), skip + 8, 0xff);
}
