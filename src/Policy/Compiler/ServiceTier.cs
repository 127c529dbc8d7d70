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
/// <param name="self">Where the endpoints are behind a cluster IP themselves.</param>
internal sealed class ServiceTier(PeerSetTable table, EquatableArray<SelfBackend> self)
{
    private static readonly RuleReference ServiceReference = new(RuleOrigin.Portcullis, new NamespacedName(string.Empty, "service"), null);

    private readonly Dictionary<Frontend, ServicePeerSet> _groupOf = [];

    // Those with a cluster IP in them.
    private readonly HashSet<ServicePeerSet> _groups = [];

    /// <summary>The tiers that decide the backends. After they changed every frontend is to be decided again.</summary>
    public required EquatableArray<RuleTier> Tiers { get; set; }

    /// <summary>Decides frontends anew; true when that takes other rules than before, not only other cluster IPs in them.</summary>
    public bool Decide(IEnumerable<Frontend> frontends)
    {
        var changed = false;
        foreach (var frontend in frontends)
        {
            var before = _groupOf.GetValueOrDefault(frontend);
            var after = frontend.Backends.IsEmpty ? null : GroupFor(frontend.Key, Decide(frontend));
            if (before != after)
            {
                changed |= before is not null && Leave(before, frontend);
                changed |= after is not null && Enter(after, frontend);
            }
        }

        return changed;
    }

    /// <summary>The cluster IPs in a group, as prefixes.</summary>
    public ImmutableArray<IpPrefix> PrefixesOf(ServicePeerSet group) =>
        [.. _groupOf.Where(entry => entry.Value == group).Select(entry => IpPrefix.Host(entry.Key.Key.Address))];

    /// <summary>The tiers with this one in front; adds the peer sets it names.</summary>
    public EquatableArray<RuleTier> Compose(HashSet<PeerSetState> used)
    {
        var rules = new List<Rule>();
        var groups = _groups
            .OrderBy(peers => (peers.Group.Protocol, peers.Group.Port))
            .ThenBy(peers => peers.Group.Outcome.Action)
            .ThenBy(peers => $"{peers.Group.Outcome.Reference}", StringComparer.Ordinal);
        foreach (var peers in groups)
        {
            var (_, protocol, port, (action, reference)) = peers.Group;
            used.Add(peers);
            rules.Add(new Rule(action, [peers.Id], [new PortRange(protocol, port, port)], reference));
        }

        AddWithoutBackends(rules, used);
        return [new RuleTier(RuleTierKind.Service, rules.ToEquatableArray()), .. Tiers];
    }

    private ServicePeerSet GroupFor(FrontendKey key, ServiceOutcome outcome)
    {
        var spec = new ServiceGroupSpec(this, key.Protocol, key.Port, outcome);
        foreach (var group in _groups)
        {
            if (group.Group == spec)
            {
                return group;
            }
        }

        return table.Get(spec);
    }

    private bool Leave(ServicePeerSet group, Frontend frontend)
    {
        _groupOf.Remove(frontend);
        table.MemberChanged(group, frontend.Key.Address, added: false);
        return --group.Count == 0 && _groups.Remove(group);
    }

    private bool Enter(ServicePeerSet group, Frontend frontend)
    {
        _groupOf.Add(frontend, group);
        table.MemberChanged(group, frontend.Key.Address, added: true);
        return ++group.Count == 1 && _groups.Add(group);
    }

    /// <summary>With nothing behind it, only rules that name no peers can mean a cluster IP.</summary>
    private void AddWithoutBackends(List<Rule> rules, HashSet<PeerSetState> used)
    {
        var clusterIps = table.Get(new ClusterIpsSpec());
        used.Add(clusterIps);
        EquatableArray<PeerSetId> peers = [clusterIps.Id];
        foreach (var tier in Tiers)
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

        foreach (var own in self)
        {
            if (own.Frontend == frontend.Key
                && (own.Address == default || Decide(own.Address, frontend.Key.Protocol, own.Port, isSelf: true).Allowed))
            {
                return new ServiceOutcome(RuleAction.Accept, ServiceReference);
            }
        }

        return new ServiceOutcome(RuleAction.Deny, denied!);
    }

    private (bool Allowed, RuleReference? Reference) Decide(IpAddress address, IpProtocol protocol, ushort port, bool isSelf)
    {
        foreach (var tier in Tiers)
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
