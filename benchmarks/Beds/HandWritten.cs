using System.Globalization;
using System.Text;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Net;

namespace Portcullis.Benchmarks.Beds;

/// <summary>
/// The rules of a world as somebody would write them without a tool: established connections pass, each rule lets one address reach
/// one port, the rest is dropped.
/// </summary>
internal static class HandWritten
{
    /// <summary>Input for <c>iptables-restore</c> or <c>ip6tables-restore</c>.</summary>
    public static string LinearChain(RuleWorld world, IpFamily family)
    {
        var script = new StringBuilder("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n");
        var (client, server) = Pair(family);
        for (var rule = 0; rule < world.Rules; rule++)
        {
            var (peer, port) = world.ByHand(rule, family);
            script.Append(CultureInfo.InvariantCulture, $"-A FORWARD -s {peer} -d {server} -p tcp --dport {port} -j ACCEPT\n");
        }

        script.Append(CultureInfo.InvariantCulture, $"-A FORWARD -s {client} -d {server} -p udp --dport {RuleWorld.UdpPort} -j ACCEPT\n");
        script.Append(CultureInfo.InvariantCulture, $"-A FORWARD -s {client} -d {server} -p tcp --dport {RuleWorld.ThroughputPort}:{RuleWorld.ConnectPort} -j ACCEPT\n");
        return script.Append("COMMIT\n").ToString();
    }

    /// <summary>Input for <c>nft -f -</c>, both families.</summary>
    public static string NftSet(RuleWorld world)
    {
        var script = new StringBuilder();
        foreach (var family in new[] { IpFamily.IPv4, IpFamily.IPv6 })
        {
            var (client, server) = Pair(family);
            var (table, address, protocol) = family == IpFamily.IPv4 ? ("ip", "ip", "ip protocol") : ("ip6", "ip6", "ip6 nexthdr");
            var type = family == IpFamily.IPv4 ? "ipv4_addr" : "ipv6_addr";
            var elements = Enumerable.Range(0, world.Rules).Select(rule => world.ByHand(rule, family)).Distinct()
                .Select(rule => $"{rule.Peer} . tcp . {rule.Port}")
                .Append($"{client} . udp . {RuleWorld.UdpPort}")
                .Append($"{client} . tcp . {RuleWorld.ThroughputPort}")
                .Append($"{client} . tcp . {RuleWorld.ConnectPort}");
            script.Append(CultureInfo.InvariantCulture, $$"""
                table {{table}} bench {
                  set allowed {
                    type {{type}} . inet_proto . inet_service
                    elements = { {{string.Join(", ", elements)}} }
                  }
                  chain forward {
                    type filter hook forward priority filter; policy drop;
                    ct state established,related accept
                    {{address}} daddr {{server}} {{address}} saddr . {{protocol}} . th dport @allowed accept
                  }
                }

                """);
        }

        return script.ToString();
    }

    private static (IpAddress Client, IpAddress Server) Pair(IpFamily family) =>
        (RuleWorld.ClientAddresses.First(address => address.Family == family), RuleWorld.ServerAddresses.First(address => address.Family == family));
}
