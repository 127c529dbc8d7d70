using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>Port ranges as matches.</summary>
internal static class PortMatches
{
    /// <summary>What one <c>multiport</c> match has room for; a range takes two places.</summary>
    private const int Places = 15;

    /// <summary>One match for each group of ranges that a rule can test at once.</summary>
    /// <param name="ranges">The ranges; null: every protocol.</param>
    /// <param name="isReply">Whether the packet is a reply: then the port in question is its source port.</param>
    public static IEnumerable<string> Of(EquatableArray<PortRange>? ranges, bool isReply)
    {
        if (ranges is null)
        {
            return [string.Empty];
        }

        return ranges.Value.Items
            .GroupBy(range => range.Protocol)
            .SelectMany(group => OfProtocol(NameOf(group.Key), [.. group], isReply));
    }

    private static IEnumerable<string> OfProtocol(string protocol, List<PortRange> ranges, bool isReply)
    {
        if (ranges.Exists(range => range is { First: 0, Last: ushort.MaxValue }))
        {
            return [$"-p {protocol} "];
        }

        // Of the protocols that have a match of their own in every kernel; multiport reads SCTP ports without one.
        if (ranges.Count == 1 && protocol != "sctp")
        {
            return [$"-p {protocol} -m {protocol} {(isReply ? "--sport" : "--dport")} {Text(ranges[0])} "];
        }

        return Pack(ranges).Select(ports => $"-p {protocol} -m multiport {(isReply ? "--sports" : "--dports")} {ports} ");
    }

    private static IEnumerable<string> Pack(List<PortRange> ranges)
    {
        var used = 0;
        var batch = new List<string>();
        foreach (var range in ranges)
        {
            var size = range.First == range.Last ? 1 : 2;
            if (used + size > Places)
            {
                yield return string.Join(',', batch);
                batch.Clear();
                used = 0;
            }

            batch.Add(Text(range));
            used += size;
        }

        yield return string.Join(',', batch);
    }

    private static string Text(PortRange range) => range.First == range.Last ? $"{range.First}" : $"{range.First}:{range.Last}";

    private static string NameOf(IpProtocol protocol) => protocol switch
    {
        IpProtocol.Tcp => "tcp",
        IpProtocol.Udp => "udp",
        IpProtocol.Sctp => "sctp",
        _ => throw new ArgumentOutOfRangeException(nameof(protocol), protocol, "unknown protocol"),
    };
}
