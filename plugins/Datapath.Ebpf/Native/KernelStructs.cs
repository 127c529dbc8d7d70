using System.Runtime.CompilerServices;
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
    public uint EventTokens;
    public PcSeed Seed;
}

/// <summary>The secrets of one permit table.</summary>
[InlineArray(12)]
internal struct PcSeed
{
    private uint _first;
}

/// <summary>Mirror of struct pc_constants.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcConstants
{
    public uint RowMask;
    public uint TickShift;
}

/// <summary>An address in network order; IPv4 in the first four bytes, unless said otherwise.</summary>
[InlineArray(16)]
internal struct AddressBytes
{
    private byte _first;
}

/// <summary>Mirror of struct pc_endpoint.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcEndpoint
{
    /// <summary>Both rows: ingress in the low half, egress in the high half.</summary>
    public ulong Rows;
    public uint Flags;
    public uint Ip4Be;
    public AddressBytes Ip6;
    public uint Heal;
    public uint Ifindex;
    public PcEndpointPad Pad;
}

/// <summary>Fills an endpoint to one cache line.</summary>
[InlineArray(6)]
internal struct PcEndpointPad
{
    private uint _first;
}

/// <summary>Mirror of struct pc_own_address_key. IPv4 as ::ffff:a.b.c.d.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcOwnAddressKey
{
    public uint Ifindex;
    public AddressBytes Address;
}

/// <summary>Mirror of struct pc_permit.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcPermit
{
    public ulong Tag;
    public uint Seen;
    public uint Owner;
}

/// <summary>Mirror of struct pc_permit_bucket.</summary>
[InlineArray(8)]
internal struct PcPermitBucket
{
    private PcPermit _first;
}

/// <summary>Mirror of struct pc_counter.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcCounter
{
    public ulong Packets;
    public ulong Bytes;

    public void Add(in PcCounter other)
    {
        Packets += other.Packets;
        Bytes += other.Bytes;
    }
}

/// <summary>Mirror of struct pc_interface_name.</summary>
[InlineArray(16)]
internal struct PcInterfaceName
{
    private byte _first;
}

/// <summary>Mirror of struct pc_awaited.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct PcAwaited
{
    public byte In;
    public byte Out;
}

/// <summary>Mirror of struct pc_rule_counter.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcRuleCounter
{
    public PcRulePackets Packets;
}

/// <summary>Packets by <see cref="PcRuleFate"/>.</summary>
[InlineArray(3)]
internal struct PcRulePackets
{
    private ulong _first;
}

/// <summary>enum pc_rule_fate.</summary>
internal enum PcRuleFate
{
    Allowed = 0,
    Denied = 1,
    Audited = 2,
}

/// <summary>Mirror of struct pc_event.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PcEvent
{
    public ulong Time;
    public uint Ifindex;
    public uint Rule;
    public AddressBytes Source;
    public AddressBytes Destination;
    public ushort SourcePort;
    public ushort DestinationPort;
    public byte Direction;
    public byte Reason;
    public byte Protocol;
    public byte Family;
}

/// <summary>PC_ENDPOINT_*.</summary>
[Flags]
internal enum PcEndpointFlags : uint
{
    None = 0,
    Present = 0x1,
    Self = 0x2,
    CheckSource = 0x4,
    MoreAddresses = 0x8,
    HasIp4 = 0x10,
    HasIp6 = 0x20,
    Closed = 0x40,
}

/// <summary>PC_CONFIG_*.</summary>
[Flags]
internal enum PcConfigFlags : uint
{
    None = 0,
    KeepEstablished = 0x1,
    Events = 0x2,
}

/// <summary>enum pc_reason.</summary>
internal enum PcReason : byte
{
    Allowed = 0,
    Unpoliced = 1,
    Reply = 2,
    Established = 3,
    OwnAddress = 4,
    Neighbour = 5,
    NonIp = 6,
    IcmpError = 7,
    Fragment = 8,
    Audit = 12,
    Denied = 16,
    Isolated = 17,
    Spoofed = 18,
    NonIpDenied = 19,
    Vlan = 20,
    Truncated = 21,
    Malformed = 22,
    ExtensionHeaders = 23,
    FragmentDenied = 24,
    Closed = 25,
    NoEndpoint = 26,
    TableFault = 27,
}

/// <summary>The numbers of policy_types.h that user space uses.</summary>
internal static class Pc
{
    public const uint LayoutVersion = 3;
    public const uint RowOpen = 0x80000000;
    public const int Root4Entries = 65536;
    public const int NearSlots = 4096;
    public const int EndpointSlots = 8192;
    public const int Reasons = 32;
    public const int CounterEventsLost = 2 * Reasons;
    public const int Counters = (2 * Reasons) + 1;
}
