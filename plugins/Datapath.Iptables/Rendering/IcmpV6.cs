namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>The ICMPv6 without which IPv6 does not work on a link.</summary>
internal static class IcmpV6
{
    /// <summary>Matches of neighbour discovery (hop limit 255) and MLD (hop limit 1).</summary>
    public static readonly IReadOnlyList<string> Exempt =
    [
        .. new[] { 133, 134, 135, 136, 137 }.Select(type => Match(type, 255)),
        .. new[] { 130, 131, 132, 143 }.Select(type => Match(type, 1)),
    ];

    private static string Match(int type, int hopLimit) => $"-p ipv6-icmp -m icmp6 --icmpv6-type {type} -m hl --hl-eq {hopLimit}";
}
