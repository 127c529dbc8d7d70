namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>IPv4: a root of 65536 entries, then up to two levels of blocks. A block exists where a prefix is longer than its entry.</summary>
internal sealed unsafe class AddressTable4(
    KernelTables tables, SlotAllocator blocks, AddressClasses classes, SetPool sets, PrefixTrie trie)
    : AddressTable(tables, blocks, classes, sets, trie)
{
    private const int RootBits = 16;

    private Level Root => new((nint)Tables.Root4, RootBits, 0xffff);

    /// <summary>The number of blocks these prefixes need.</summary>
    public static int CountBlocks(PrefixTrie trie)
    {
        var count = 0;
        var (last16, last24) = (ulong.MaxValue, ulong.MaxValue);
        foreach (var node in trie.InOrder())
        {
            if (node.Length > 16 && node.High >> 48 != last16)
            {
                last16 = node.High >> 48;
                count++;
            }

            if (node.Length > 24 && node.High >> 40 != last24)
            {
                last24 = node.High >> 40;
                count++;
            }
        }

        return count;
    }

    protected override void Paint(in PrefixBits prefix)
    {
        var level = Root;
        var place = new Place(Trie.Root, SetPool.Empty);
        while (prefix.Length > level.End)
        {
            var index = prefix.Index(level.End, level.Mask);
            place = Descend(place, prefix.Truncate(level.End));
            var entry = *level.At(index);
            if (!Reference.IsBlock(entry) || place.Node == 0 || IsPlain(level.End, place.Node))
            {
                PaintRange(level, index, index, place);
                return;
            }

            level = BlockLevel(Reference.Index(entry), level.End + 8);
        }

        var first = prefix.Index(level.End, level.Mask);
        PaintRange(level, first, first + (1 << (level.End - prefix.Length)) - 1, Descend(place, prefix));
    }

    protected override uint Build(int end, Place place, uint current)
    {
        if (IsPlain(end, place.Node))
        {
            return Classes.Of(Sets.Union(place.Inherited, Trie[place.Node].Set));
        }

        var block = Reference.IsBlock(current) ? Reference.Index(current) : AllocateBlock();
        PaintRange(BlockLevel(block, end + 8), 0, BlockSize - 1, place);
        return Reference.Block | (uint)block;
    }

    protected override void FreeNode(int node) => throw new InvalidOperationException("an IPv4 entry refers to an IPv6 node");

    /// <summary>Whether all addresses of an entry are in the same prefixes.</summary>
    private bool IsPlain(int end, int node) => Trie[node].Length == end && Trie[node].IsLeaf;

    private Level BlockLevel(int block, int end) => new((nint)BlockEntries(block), end, 0xff);
}
