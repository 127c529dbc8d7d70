using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables;

internal sealed partial class Ruleset
{
    // Seconds.
    private const int ShortLockWait = 1;
    private const int LongLockWait = 15;

    private const string SctpPortsRule = "-p sctp -m multiport --dports 1,2:3 -j RETURN";

    // One rule for each match and target that chains use; set is asked by itself, because a rule with it needs a set.
    private static readonly (string Feature, string Module, string Rule)[] Needed =
    [
        ("match conntrack", "xt_conntrack", "-m conntrack --ctstate ESTABLISHED --ctdir REPLY -j RETURN"),
        ("match multiport", "xt_multiport", "-p tcp -m multiport --dports 1,2:3 -j RETURN"),
        ("target NFLOG", "xt_NFLOG", "-j NFLOG --nflog-group 1 --nflog-prefix probe"),
    ];

    private static readonly (string Feature, string Module, string Rule)[] NeededByIPv6 =
        [("matches icmp6 and hl", "xt_hl", "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j RETURN")];

    private bool? _matchesSctpPorts;

    /// <summary>Finds out what is missing, changing nothing.</summary>
    public DatapathSupport Probe()
    {
        if (Capabilities.Missing() is { Count: > 0 } missing)
        {
            return new DatapathSupport(false, $"iptables: the process lacks {string.Join(" and ", missing)}: run it as root, or grant them");
        }

        var (iptables, ipset) = Connect();
        ipset.Names();
        foreach (var family in Families)
        {
            foreach (var (feature, module, rule) in family == IpFamily.IPv6 ? [.. Needed, .. NeededByIPv6] : Needed)
            {
                var result = Try(iptables, family, rule);
                if (result.ExitCode != 0)
                {
                    return Unsupported(iptables, family, feature, module, result);
                }
            }

            var set = Try(iptables, family, "-m set --match-set pcl.probe src -j RETURN");
            if (!set.Error.Contains("doesn't exist", StringComparison.Ordinal))
            {
                return Unsupported(iptables, family, "match set", "xt_set", set);
            }
        }

        var sctp = MatchesSctpPorts(iptables) ? string.Empty : ", without SCTP ports: rules that name some are closed";
        return new DatapathSupport(true, $"iptables with the {iptables.Backend.Name} backend, ipset, {string.Join(" and ", Families)}{sctp}");
    }

    private bool MatchesSctpPorts(IptablesTool iptables)
    {
        if (_matchesSctpPorts is not { } known)
        {
            known = true;
            foreach (var family in Families)
            {
                var result = Try(iptables, family, SctpPortsRule, ShortLockWait);
                if (XtablesLock.IsHeld(result))
                {
                    // Not an answer: were it no, the kernel would refuse the rules, and the next try asks again.
                    return true;
                }

                known &= result.ExitCode == 0;
            }

            _matchesSctpPorts = known;
        }

        return known;
    }

    private static ToolResult Try(IptablesTool iptables, IpFamily family, string rule, int lockWait = LongLockWait) =>
        iptables.Test(family, $"*mangle\n:pcl.probe - [0:0]\n-A pcl.probe {rule}\nCOMMIT\n", lockWait);

    private static DatapathSupport Unsupported(IptablesTool iptables, IpFamily family, string feature, string module, ToolResult result) =>
        new(false, $"iptables ({iptables.Backend.Name}, {family}): {feature}: {result.Problem}; {KernelModules.Remedy(module)}");
}
