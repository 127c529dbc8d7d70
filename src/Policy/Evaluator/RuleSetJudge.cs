using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Evaluator;

/// <summary>What compiled rules say about a packet.</summary>
/// <param name="Allowed">Whether it passes.</param>
/// <param name="DecidedBy">The rule or isolation that decided; null when none did.</param>
/// <param name="AuditDeniedBy">What would deny it if the policies in audit mode were enforced; null: nothing, or it is denied anyway.</param>
public readonly record struct RuleSetVerdict(bool Allowed, RuleReference? DecidedBy, RuleReference? AuditDeniedBy);

/// <summary>Judges packets by compiled rules exactly as <see cref="RuleSet"/> defines it: the reference for datapaths.</summary>
public static class RuleSetJudge
{
    /// <summary>Judges a packet of one direction of an endpoint.</summary>
    /// <param name="world">The compiled rules.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="direction">The direction.</param>
    /// <param name="peer">The address at the other end.</param>
    /// <param name="probe">Protocol and destination port.</param>
    public static RuleSetVerdict Judge(CompiledWorld world, Endpoint endpoint, Direction direction, IpAddress peer, Probe probe)
    {
        ArgumentNullException.ThrowIfNull(world);
        ArgumentNullException.ThrowIfNull(endpoint);
        if ((direction == Direction.Ingress ? endpoint.Ingress : endpoint.Egress) is not { } id)
        {
            return new RuleSetVerdict(true, null, null);
        }

        var rules = world.RuleSets[id];
        var (allowed, decidedBy) = Decide(world, rules.Tiers, endpoint, peer, probe);
        if (!allowed || rules.Audit is not { } audit)
        {
            return new RuleSetVerdict(allowed, decidedBy, null);
        }

        var (auditAllowed, auditDecidedBy) = Decide(world, audit, endpoint, peer, probe);
        return new RuleSetVerdict(true, decidedBy, auditAllowed ? null : auditDecidedBy);
    }

    private static (bool Allowed, RuleReference? DecidedBy) Decide(
        CompiledWorld world, EquatableArray<RuleTier> tiers, Endpoint endpoint, IpAddress peer, Probe probe)
    {
        foreach (var tier in tiers)
        {
            var rule = tier.Rules.FirstOrDefault(rule => Matches(world, rule, peer, probe));
            if (rule is { Action: not RuleAction.Pass })
            {
                return (rule.Action == RuleAction.Accept, rule.Reference);
            }

            if (rule is null && tier.Isolation is { } isolation)
            {
                var isSelf = tier.Kind == RuleTierKind.NetworkPolicy && endpoint.Addresses.Contains(peer);
                return isSelf ? (true, null) : (false, isolation);
            }
        }

        return (true, null);
    }

    private static bool Matches(CompiledWorld world, Rule rule, IpAddress peer, Probe probe) =>
        (rule.Peers is not { } peers || peers.Any(id => world.PeerSets[id].Any(prefix => prefix.Contains(peer))))
        && (rule.Ports is not { } ports
            || ports.Any(range => range.Protocol == probe.Protocol && probe.Port >= range.First && probe.Port <= range.Last));
}
