using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Flows;

/// <summary>
/// Which rule decided a packet. The kernel decides by chains that carry no rule numbers; what it reports is explained
/// from the same rule set here, so that attribution costs packets nothing.
/// </summary>
internal static class RuleFinder
{
    /// <summary>The rule behind a verdict; null when none decided, or when the rules have changed since.</summary>
    /// <param name="tiers">The tiers of the rule set.</param>
    /// <param name="remote">The other end's address.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port that rules are about.</param>
    /// <param name="verdict">What the kernel did.</param>
    /// <param name="contains">Whether an address is in a peer set.</param>
    public static RuleReference? Find(
        EquatableArray<RuleTier> tiers, IpAddress remote, byte protocol, ushort port, FlowVerdict verdict, Func<PeerSetId, IpAddress, bool> contains)
    {
        var (isAllowed, decidedBy) = Judge(tiers, remote, protocol, port, contains);
        return isAllowed == (verdict == FlowVerdict.Allow) ? decidedBy : null;
    }

    /// <summary>What the rules say of a packet that opens a flow, and which rule decides it; null when none does.</summary>
    /// <param name="tiers">The tiers of the rule set.</param>
    /// <param name="remote">The other end's address.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port that rules are about.</param>
    /// <param name="contains">Whether an address is in a peer set.</param>
    public static (bool IsAllowed, RuleReference? DecidedBy) Judge(
        EquatableArray<RuleTier> tiers, IpAddress remote, byte protocol, ushort port, Func<PeerSetId, IpAddress, bool> contains)
    {
        bool Matches(Rule rule) =>
            (rule.Peers is not { } peers || peers.Items.Any(peer => contains(peer, remote)))
            && (rule.Ports is not { } ports
                || ports.Items.Any(range => (byte)range.Protocol == protocol && range.First <= port && port <= range.Last));

        foreach (var tier in tiers.Items.Where(tier => tier.Kind != RuleTierKind.Service))
        {
            var rule = tier.Rules.Items.FirstOrDefault(Matches);
            if (rule is null ? tier.Isolation is not null : rule.Action != RuleAction.Pass)
            {
                return (rule?.Action == RuleAction.Accept, rule?.Reference ?? tier.Isolation);
            }
        }

        return (true, null);
    }
}
