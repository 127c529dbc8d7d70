using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables;

/// <summary>Counts of packets, from the last rule of each verdict chain.</summary>
internal static class Counters
{
    /// <summary>Packets and bytes by the code of their fate.</summary>
    public static Dictionary<string, (long Packets, long Bytes)> Of(
        IReadOnlyDictionary<(string Table, IpFamily Family), SavedTable> saved, Names names)
    {
        var counts = new Dictionary<string, (long Packets, long Bytes)>();
        foreach (var table in saved.Values)
        {
            foreach (var fate in Verdicts.All)
            {
                var ends = table.Rules.LastOrDefault(rule => rule.Chain == names.Fixed(fate.Code));
                Add(counts, new Dictionary<string, (long Packets, long Bytes)> { [fate.Code] = (ends.Packets, ends.Bytes) });
            }
        }

        return counts;
    }

    /// <summary>Adds one count to another.</summary>
    public static void Add(Dictionary<string, (long Packets, long Bytes)> to, IReadOnlyDictionary<string, (long Packets, long Bytes)> counts)
    {
        foreach (var (code, count) in counts)
        {
            var (packets, bytes) = to.GetValueOrDefault(code);
            to[code] = (packets + count.Packets, bytes + count.Bytes);
        }
    }

    /// <summary>As the host wants them.</summary>
    public static IReadOnlyList<PacketCounter> ToPackets(Dictionary<string, (long Packets, long Bytes)> counts) =>
    [
        .. from fate in Verdicts.All
           let count = counts.GetValueOrDefault(fate.Code)
           select new PacketCounter(fate.Direction, fate.Verdict, fate.Reason, count.Packets, count.Bytes),
    ];
}
