using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>An own address behind a frontend.</summary>
/// <param name="Frontend">The frontend.</param>
/// <param name="Address">The address; default when NetworkPolicies alone decide, which always allow it.</param>
/// <param name="Port">The port there.</param>
internal readonly record struct SelfBackend(FrontendKey Frontend, IpAddress Address, ushort Port);

/// <summary>How the rules of an egress rule set decide a frontend.</summary>
internal readonly record struct ServiceOutcome(RuleAction Action, RuleReference Reference);

/// <summary>Decides cluster IPs by their backends and keeps the outcome, so that a change of one backend costs one decision.</summary>
/// <param name="table">Where the peer sets are.</param>
/// <param name="owner">The rule set this is a part of.</param>
/// <param name="isAudit">Whether it is the part that is only reported.</param>
/// <param name="tiers">The tiers that decide the backends.</param>
internal sealed class ServiceTier(PeerSetTable table, RuleSetEntry owner, bool isAudit, EquatableArray<RuleTier> tiers)
{
    private static readonly RuleReference ServiceReference = new(RuleOrigin.Portcullis, new NamespacedName(string.Empty, "service"), null);

    private readonly Dictionary<FrontendKey, ServiceOutcome> _outcomes = [];

    /// <summary>Decides frontends anew; true when some outcome is another.</summary>
    public bool Decide(IEnumerable<Frontend> frontends)
    {
        var changed = false;
        foreach (var frontend in frontends)
        {
            if (frontend.Backends.IsEmpty)
            {
                changed |= _outcomes.Remove(frontend.Key);
                continue;
            }

            var outcome = Decide(frontend);
            changed |= !_outcomes.TryGetValue(frontend.Key, out var before) || before != outcome;
            _outcomes[frontend.Key] = outcome;
        }

        return changed;
    }

    /// <summary>The tiers with this one in front; adds the peer sets it names.</summary>
    public EquatableArray<RuleTier> Compose(HashSet<PeerSetState> used)
    {
        var rules = new List<Rule>();
        var groups = _outcomes.GroupBy(entry => new ServiceGroupSpec(owner, isAudit, entry.Key.Protocol, entry.Key.Port, entry.Value))
            .OrderBy(group => (group.Key.Protocol, group.Key.Port))
            .ThenBy(group => group.Key.Outcome.Action)
            .ThenBy(group => $"{group.Key.Outcome.Reference}", StringComparer.Ordinal);
        foreach (var group in groups)
        {
            var spec = group.Key;
            var peers = table.Get(spec, group.Select(entry => IpPrefix.Host(entry.Key.Address)));
            used.Add(peers);
            rules.Add(new Rule(spec.Outcome.Action, [peers.Id], [new PortRange(spec.Protocol, spec.Port, spec.Port)], spec.Outcome.Reference));
        }

        AddWithoutBackends(rules, used);
        return [new RuleTier(RuleTierKind.Service, rules.ToEquatableArray()), .. tiers];
    }

    /// <summary>With nothing behind it, only rules that name no peers can mean a cluster IP.</summary>
    private void AddWithoutBackends(List<Rule> rules, HashSet<PeerSetState> used)
    {
        var clusterIps = table.Get(new ClusterIpsSpec());
        used.Add(clusterIps);
        EquatableArray<PeerSetId> peers = [clusterIps.Id];
        foreach (var tier in tiers)
        {
            rules.AddRange(tier.Rules.Where(IsForEveryone).Select(rule => rule with { Peers = peers }));
            if (tier.Isolation is { } isolation)
            {
                rules.Add(new Rule(RuleAction.Deny, peers, null, isolation));
                return;
            }
        }

        rules.Add(new Rule(RuleAction.Accept, peers, null, ServiceReference));
    }

    // A rule that fails closed is for everyone but the own node.
    private bool IsForEveryone(Rule rule) =>
        rule.Peers is not { } peers || (peers.Count == 1 && table.Find(peers[0]).Spec is OwnNodeSpec { Outside: true });

    private ServiceOutcome Decide(Frontend frontend)
    {
        RuleReference? denied = null;
        foreach (var backend in frontend.Backends)
        {
            var (allowed, reference) = Decide(backend.Address, frontend.Key.Protocol, backend.Port, isSelf: false);
            if (allowed)
            {
                return new ServiceOutcome(RuleAction.Accept, reference ?? ServiceReference);
            }

            denied ??= reference;
        }

        foreach (var self in owner.Key.Self)
        {
            if (self.Frontend == frontend.Key
                && (self.Address == default || Decide(self.Address, frontend.Key.Protocol, self.Port, isSelf: true).Allowed))
            {
                return new ServiceOutcome(RuleAction.Accept, ServiceReference);
            }
        }

        return new ServiceOutcome(RuleAction.Deny, denied!);
    }

    private (bool Allowed, RuleReference? Reference) Decide(IpAddress address, IpProtocol protocol, ushort port, bool isSelf)
    {
        foreach (var tier in tiers)
        {
            var isPassed = false;
            foreach (var rule in tier.Rules)
            {
                if (Matches(rule, address, protocol, port))
                {
                    if (rule.Action != RuleAction.Pass)
                    {
                        return (rule.Action == RuleAction.Accept, rule.Reference);
                    }

                    isPassed = true;
                    break;
                }
            }

            if (!isPassed && tier.Isolation is { } isolation)
            {
                return isSelf ? (true, null) : (false, isolation);
            }
        }

        return (true, null);
    }

    private bool Matches(Rule rule, IpAddress address, IpProtocol protocol, ushort port)
    {
        var matches = rule.Ports is null;
        foreach (var range in rule.Ports ?? [])
        {
            matches |= range.Protocol == protocol && range.First <= port && port <= range.Last;
        }

        if (!matches || rule.Peers is not { } peers)
        {
            return matches;
        }

        foreach (var id in peers)
        {
            if (table.Find(id).Contains(address))
            {
                return true;
            }
        }

        return false;
    }
}
