using System.Runtime.InteropServices;
using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>Verdicts by port: lists of break points in the port table, equal ones shared and counted.</summary>
internal sealed unsafe class PortLists(KernelTables tables, GracePeriods gracePeriods)
{
    private readonly RangeAllocator _entries = new("ports", tables.PortCapacity, gracePeriods);
    private readonly Dictionary<PcPortEntry[], PortList> _byContent = new(new ContentComparer());
    private readonly Dictionary<uint, PortList> _byVerdict = [];
    private readonly List<PcPortEntry> _merged = [];

    private sealed class PortList(uint verdict, PcPortEntry[] content)
    {
        public uint Verdict => verdict;

        public PcPortEntry[] Content => content;

        public int Uses { get; set; }
    }

    public int Used => _entries.Used;

    public bool IsInitial => _entries.IsInitial && _byContent.Count == 0;

    /// <summary>One verdict for all segments; a port list among them is used once more.</summary>
    /// <exception cref="TableFullException">No room for another list.</exception>
    public uint Acquire(ReadOnlySpan<uint> starts, ReadOnlySpan<uint> verdicts)
    {
        _merged.Clear();
        for (var i = 0; i < starts.Length; i++)
        {
            if (i == 0 || verdicts[i] != verdicts[i - 1])
            {
                _merged.Add(new PcPortEntry { Start = starts[i], Verdict = verdicts[i] });
            }
        }

        if (_merged.Count == 1)
        {
            return _merged[0].Verdict;
        }

        PcPortEntry[] content = [.. _merged];
        if (!_byContent.TryGetValue(content, out var list))
        {
            list = Write(content);
            _byContent.Add(content, list);
            _byVerdict.Add(list.Verdict, list);
        }

        list.Uses++;
        return list.Verdict;
    }

    /// <summary>Uses a verdict once more.</summary>
    public void Acquire(uint verdict)
    {
        if (Verdict.Kind(verdict) == Verdict.Ports)
        {
            _byVerdict[verdict].Uses++;
        }
    }

    /// <summary>Uses a verdict once less; packets may still be reading it.</summary>
    public void Release(uint verdict)
    {
        if (Verdict.Kind(verdict) == Verdict.Ports && --_byVerdict[verdict].Uses == 0)
        {
            _byVerdict.Remove(verdict, out var list);
            _byContent.Remove(list!.Content);
            _entries.Retire((int)Verdict.Argument(verdict), list.Content.Length);
        }
    }

    private PortList Write(PcPortEntry[] content)
    {
        var header = _entries.Allocate(content.Length);
        content.CopyTo(new Span<PcPortEntry>(tables.Ports + header, content.Length));

        // The first entry holds for all keys below the second: its place has room for their number.
        tables.Ports[header].Start = (uint)content.Length - 1;
        return new PortList(Verdict.Ports | (uint)header, content);
    }

    private sealed class ContentComparer : IEqualityComparer<PcPortEntry[]>
    {
        public bool Equals(PcPortEntry[]? x, PcPortEntry[]? y) => Bytes(x).SequenceEqual(Bytes(y));

        public int GetHashCode(PcPortEntry[] obj)
        {
            var hash = default(HashCode);
            hash.AddBytes(Bytes(obj));
            return hash.ToHashCode();
        }

        private static ReadOnlySpan<byte> Bytes(PcPortEntry[]? content) => MemoryMarshal.AsBytes<PcPortEntry>(content);
    }
}
