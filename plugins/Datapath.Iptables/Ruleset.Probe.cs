using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables;

internal sealed partial class Ruleset
{
    // One rule for each match and target that chains use; set is asked by itself, because a rule with it needs a set.
    private static readonly (string Feature, string Rule)[] Needed =
    [
        ("match conntrack", "-m conntrack --ctstate ESTABLISHED --ctdir REPLY -j RETURN"),
        ("match multiport", "-p sctp -m multiport --dports 1,2:3 -j RETURN"),
        ("target NFLOG", "-j NFLOG --nflog-group 1 --nflog-prefix probe"),
    ];

    private static readonly (string Feature, string Rule)[] NeededByIPv6 =
        [("matches icmp6 and hl", "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j RETURN")];

    /// <summary>Finds out what is missing, changing nothing.</summary>
    public DatapathSupport Probe()
    {
        var (iptables, ipset) = Connect();
        ipset.Names();
        foreach (var family in Families)
        {
            foreach (var (feature, rule) in family == IpFamily.IPv6 ? [.. Needed, .. NeededByIPv6] : Needed)
            {
                var result = iptables.Test(family, $"*mangle\n:pcl.probe - [0:0]\n-A pcl.probe {rule}\nCOMMIT\n");
                if (result.ExitCode != 0)
                {
                    return new DatapathSupport(false, $"iptables ({iptables.Backend.Name}, {family}): {feature}: {result.Problem}; {Remedy(result)}");
                }
            }

            var set = iptables.Test(family, "*mangle\n:pcl.probe - [0:0]\n-A pcl.probe -m set --match-set pcl.probe src -j RETURN\nCOMMIT\n");
            if (!set.Error.Contains("doesn't exist", StringComparison.Ordinal))
            {
                return new DatapathSupport(false, $"iptables ({iptables.Backend.Name}, {family}): match set: {set.Problem}; {Remedy(set)}");
            }
        }

        return new DatapathSupport(true, $"iptables with the {iptables.Backend.Name} backend, ipset, {string.Join(" and ", Families)}");
    }

    private static string Remedy(ToolResult result) =>
        result.Error.Contains("ermission denied", StringComparison.Ordinal)
            ? "run as root"
            : "install the package iptables, or a kernel with this netfilter module";
}
