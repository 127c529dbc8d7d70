using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>Mirror of struct pc_node6.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcNode6
{
    public ulong ValueHigh;
    public ulong ValueLow;
    public ulong MaskHigh;
    public ulong MaskLow;
    public uint Otherwise;
    public uint Next;
    public uint Low;
    public uint Shift;
}

/// <summary>Mirror of struct pc_port_entry.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcPortEntry
{
    public uint Start;
    public uint Verdict;
}

/// <summary>Mirror of struct pc_config.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcConfig
{
    public uint Layout;
    public uint Flags;
    public uint Root6;
    public uint Pad;
}
