using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Ebpf;

/// <summary>The words for why a packet passed or not.</summary>
internal static class Reasons
{
    public static string Name(PcReason reason) => reason switch
    {
        PcReason.Allowed => "allowed",
        PcReason.Unpoliced => "unpoliced",
        PcReason.Reply => "reply",
        PcReason.Established => "established",
        PcReason.OwnAddress => "own-address",
        PcReason.Neighbour => "neighbour",
        PcReason.NonIp => "non-ip",
        PcReason.IcmpError => "icmp-error",
        PcReason.Fragment => "fragment",
        PcReason.Audit => "audit",
        PcReason.Denied => "denied",
        PcReason.Isolated => "isolated",
        PcReason.Spoofed => "spoofed-source",
        PcReason.NonIpDenied => "non-ip-denied",
        PcReason.Vlan => "vlan",
        PcReason.Truncated => "truncated",
        PcReason.Malformed => "malformed",
        PcReason.ExtensionHeaders => "extension-headers",
        PcReason.FragmentDenied => "fragment-denied",
        PcReason.Closed => "closed",
        PcReason.NoEndpoint => "no-endpoint",
        PcReason.TableFault => "table-fault",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "not a reason"),
    };

    public static FlowVerdict Verdict(PcReason reason) => reason switch
    {
        < PcReason.Audit => FlowVerdict.Allow,
        PcReason.Audit => FlowVerdict.AuditDeny,
        _ => FlowVerdict.Deny,
    };

    /// <summary>What <see cref="PcCounter"/>s by direction and reason say, leaving out what never happened.</summary>
    public static List<PacketCounter> Count(ReadOnlySpan<PcCounter> counters)
    {
        var counts = new List<PacketCounter>();
        foreach (var direction in Enum.GetValues<Direction>())
        {
            foreach (var reason in Enum.GetValues<PcReason>())
            {
                var counter = counters[((int)direction * Pc.Reasons) + (int)reason];
                if (counter.Packets > 0)
                {
                    counts.Add(new PacketCounter(direction, Verdict(reason), Name(reason), (long)counter.Packets, (long)counter.Bytes));
                }
            }
        }

        return counts;
    }
}
