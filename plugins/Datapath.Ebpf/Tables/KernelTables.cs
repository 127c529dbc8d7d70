using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>Unmanaged views of the tables of one generation: kernel memory, or plain memory in tests. Initially all zero.</summary>
/// <remarks>Packets read them at any moment on other processors, without locks. One thread writes.</remarks>
internal abstract unsafe class KernelTables
{
    /// <summary>The references of the IPv4 root, by the first two bytes of an address.</summary>
    public uint* Root4 { get; protected init; }

    /// <summary>256 references each.</summary>
    public uint* Blocks { get; protected init; }

    public int BlockCapacity { get; protected init; }

    public PcNode6* Nodes6 { get; protected init; }

    public int Node6Capacity { get; protected init; }

    /// <summary>256 page numbers each; row 0 is never used.</summary>
    public uint* Rows { get; protected init; }

    public int RowCapacity { get; protected init; }

    /// <summary>256 verdicts each.</summary>
    public uint* Pages { get; protected init; }

    public int PageCapacity { get; protected init; }

    public PcPortEntry* Ports { get; protected init; }

    public int PortCapacity { get; protected init; }

    /// <summary>Rules that can be told apart, the one of number 0 included, which is none.</summary>
    public int RuleCapacity { get; protected init; }

    public PcConfig* Config { get; protected init; }

    /// <summary>Called after every store a packet could see; for tests that look at the tables between two stores.</summary>
    public Action? Stored { get; set; }

    /// <summary>Called before a number gets another rule; no packet can be decided by the one before any more.</summary>
    public Action<uint, RuleReference> RuleReplaced { get; set; } = static (_, _) => { };

    /// <summary>Returns after every program that may still see unlinked entries has ended.</summary>
    public abstract void WaitForGracePeriod();

    /// <summary>Writes one entry such that whoever reads it also sees everything written before.</summary>
    public void Store(uint* slot, uint value)
    {
        Volatile.Write(ref *slot, value);
        Stored?.Invoke();
    }
}
