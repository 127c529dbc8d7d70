using System.Runtime.CompilerServices;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>
/// Paints one family's prefixes into blocks, such that each address leads to the class of the union of the sets of all
/// prefixes that contain it. An entry changes once, from its old to its final content, so an address is never in between.
/// </summary>
internal abstract unsafe class AddressTable(
    KernelTables tables, SlotAllocator blocks, AddressClasses classes, SetPool sets, PrefixTrie trie)
{
    protected const int BlockSize = 256;

    protected KernelTables Tables => tables;

    protected AddressClasses Classes => classes;

    protected SetPool Sets => sets;

    protected PrefixTrie Trie => trie;

    /// <summary>A run of entries indexed by the address bits of <see cref="Mask"/> that end at bit <see cref="End"/>.</summary>
    protected readonly record struct Level(nint Entries, int End, uint Mask)
    {
        public uint* At(int index) => (uint*)Entries + index;
    }

    /// <summary>A place in the trie: the topmost node within a prefix, and the union of all sets above that prefix.</summary>
    protected record struct Place(int Node, int Inherited);

    /// <summary>Brings everything inside these prefixes up to date with the trie.</summary>
    public void Paint(IEnumerable<PrefixBits> changed)
    {
        PrefixBits? last = null;
        foreach (var prefix in changed.Order())
        {
            if (last?.Contains(prefix) != true)
            {
                Paint(prefix);
                last = prefix;
            }
        }
    }

    protected abstract void Paint(in PrefixBits prefix);

    /// <summary>What an entry for the prefix ending at <paramref name="end"/> has to refer to; targets are filled on return.</summary>
    /// <param name="end">The length of the entry's prefix.</param>
    /// <param name="place">The trie's place of that prefix; never without a node.</param>
    /// <param name="current">What the entry refers to now; reused as far as it fits.</param>
    protected abstract uint Build(int end, Place place, uint current);

    /// <summary>Frees an unlinked node.</summary>
    protected abstract void FreeNode(int node);

    /// <summary>Goes on to a prefix that lies inside the present place's.</summary>
    protected Place Descend(Place place, in PrefixBits prefix)
    {
        var (node, inherited) = place;
        while (node != 0 && trie[node].Length < prefix.Length && trie[node].Bits.Contains(prefix))
        {
            inherited = sets.Union(inherited, trie[node].Set);
            node = trie.Child(node, prefix.Bit(trie[node].Length));
        }

        return new Place(node != 0 && prefix.Contains(trie[node].Bits) ? node : 0, inherited);
    }

    /// <summary>Paints the entries <paramref name="first"/> to <paramref name="last"/>, which are where the place's prefix is.</summary>
    // Compiled once and well: the first world an agent writes would otherwise run in unoptimized code.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected void PaintRange(Level level, int first, int last, Place place)
    {
        if (place.Node == 0)
        {
            Fill(level, first, last, place.Inherited);
            return;
        }

        ref readonly var node = ref trie[place.Node];
        var start = node.Bits.Index(level.End, level.Mask);
        if (node.Length >= level.End)
        {
            Fill(level, first, start - 1, place.Inherited);
            Set(level.At(start), Build(level.End, place, *level.At(start)));
            Fill(level, start + 1, last, place.Inherited);
            return;
        }

        var half = 1 << (level.End - node.Length - 1);
        var inside = sets.Union(place.Inherited, node.Set);
        Fill(level, first, start - 1, place.Inherited);
        PaintRange(level, start, start + half - 1, new Place(node.Left, inside));
        PaintRange(level, start + half, start + (2 * half) - 1, new Place(node.Right, inside));
        Fill(level, start + (2 * half), last, place.Inherited);
    }

    /// <summary>Points an entry elsewhere and frees what only it referred to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected void Set(uint* entry, uint reference)
    {
        var old = *entry;
        if (old == reference)
        {
            return;
        }

        if (Reference.IsClass(reference) || reference == Reference.Unfit)
        {
            classes.Use(reference);
        }

        tables.Store(entry, reference);
        Free(old);
    }

    /// <summary>An empty block that nobody sees.</summary>
    protected int AllocateBlock()
    {
        var block = blocks.Allocate();
        new Span<uint>(BlockEntries(block), BlockSize).Clear();
        return block;
    }

    protected uint* BlockEntries(int block) => tables.Blocks + ((long)block * BlockSize);

    protected void Free(uint reference)
    {
        if (Reference.IsClass(reference) || reference == Reference.Unfit)
        {
            classes.Unuse(reference);
        }
        else if (Reference.IsBlock(reference))
        {
            FreeBlock(Reference.Index(reference));
        }
        else
        {
            FreeNode(Reference.Index(reference));
        }
    }

    protected void FreeBlock(int block)
    {
        for (var i = 0; i < BlockSize; i++)
        {
            Free(BlockEntries(block)[i]);
        }

        blocks.Retire(block);
    }

    private void Fill(Level level, int first, int last, int set)
    {
        if (first > last)
        {
            return;
        }

        var number = classes.Of(set);
        for (var i = first; i <= last; i++)
        {
            Set(level.At(i), number);
        }
    }
}
