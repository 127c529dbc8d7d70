using System.Runtime.InteropServices;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>A policy in the compiler's terms.</summary>
internal sealed record TranslatedPolicy(SelectionKey Subject, DirectionRules? Ingress, DirectionRules? Egress);

/// <summary>Translates policies from what they say to what they mean, without looking at anything else.</summary>
internal static class PolicyTranslator
{
    /// <summary>Translates a NetworkPolicy.</summary>
    public static TranslatedPolicy Translate(NetworkPolicy policy, EnforcementMode mode)
    {
        var name = new NamespacedName(policy.Namespace, policy.Name);
        var types = policy.Types != PolicyTypes.None
            ? policy.Types
            : PolicyTypes.Ingress | (policy.Egress.IsEmpty ? PolicyTypes.None : PolicyTypes.Egress);
        var subject = new SelectionKey(new ScopeKey(policy.Namespace, null), LabelMatching.Canonical(policy.PodSelector));
        var isolation = new RuleReference(RuleOrigin.NetworkPolicy, name, null, policy.Position);
        return new TranslatedPolicy(
            subject,
            types.HasFlag(PolicyTypes.Ingress) ? Translate(policy.Ingress) : null,
            types.HasFlag(PolicyTypes.Egress) ? Translate(policy.Egress) : null);

        DirectionRules Translate(EquatableArray<NetworkPolicyRule> rules) => new(
            RuleTierKind.NetworkPolicy,
            0,
            name,
            policy.Audit || mode == EnforcementMode.Audit,
            isolation,
            rules.ConvertAll((rule, index) => TranslateRule(policy, rule, index)));
    }

    /// <summary>Translates a ClusterNetworkPolicy.</summary>
    public static TranslatedPolicy Translate(ClusterNetworkPolicy policy, EnforcementMode mode)
    {
        return new TranslatedPolicy(
            Pods(policy.Subject),
            policy.Ingress.IsEmpty ? null : Translate(Direction.Ingress, policy.Ingress),
            policy.Egress.IsEmpty ? null : Translate(Direction.Egress, policy.Egress));

        DirectionRules Translate(Direction direction, EquatableArray<ClusterPolicyRule> rules) => new(
            policy.Tier == PolicyTier.Admin ? RuleTierKind.Admin : RuleTierKind.Baseline,
            policy.Priority,
            new NamespacedName(string.Empty, policy.Name),
            policy.Audit || mode == EnforcementMode.Audit,
            null,
            rules.ConvertAll((rule, index) => TranslateRule(policy, direction, rule, index)));
    }

    /// <summary>Why a ClusterNetworkPolicy rule cannot be enforced as written; null when it can.</summary>
    public static string? FindDefect(Direction direction, ClusterPolicyRule rule)
    {
        if (rule.Defect is { } defect)
        {
            return defect;
        }

        if (rule.Peers.IsEmpty)
        {
            return "it has no peers";
        }

        if (rule.Ports is { } ports && (ports.IsEmpty || ports.Any(port => port.Protocol is null && port.NamedPort is null)))
        {
            return "it has an empty protocol";
        }

        foreach (var peer in rule.Peers)
        {
            if (peer.DomainNames is not null)
            {
                return "domainNames are not enforced";
            }

            var isKnown = peer.Pods is not null
                || peer.Networks is { IsEmpty: false }
                || (direction == Direction.Egress && peer.Nodes is not null);
            if (!isKnown)
            {
                return "it has an empty peer";
            }
        }

        return null;
    }

    private static RuleSpec TranslateRule(NetworkPolicy policy, NetworkPolicyRule rule, int index)
    {
        var reference = new RuleReference(
            RuleOrigin.NetworkPolicy,
            new NamespacedName(policy.Namespace, policy.Name),
            index,
            rule.Position == default ? policy.Position : rule.Position);
        EquatableArray<PeerSpec>? peers = rule.Peers.IsEmpty
            ? null
            : rule.Peers.ConvertAll((peer, _) => TranslatePeer(policy.Namespace, peer)).Distinct();
        return rule.Ports.IsEmpty
            ? new RuleSpec(RuleAction.Accept, peers, null, [], false, reference)
            : new RuleSpec(RuleAction.Accept, peers, Numbers(rule.Ports), Names(rule.Ports), false, reference);
    }

    private static PeerSpec TranslatePeer(string ns, NetworkPolicyPeer peer)
    {
        if (peer.IpBlock is { } block)
        {
            return new BlockSpec([block.Cidr], block.Except);
        }

        var scope = peer.NamespaceSelector is { } selector
            ? new ScopeKey(null, LabelMatching.Canonical(selector))
            : new ScopeKey(ns, null);
        return new PodSpec(new SelectionKey(scope, LabelMatching.Canonical(peer.PodSelector ?? LabelSelector.Everything)));
    }

    private static RuleSpec TranslateRule(ClusterNetworkPolicy policy, Direction direction, ClusterPolicyRule rule, int index)
    {
        var reference = new RuleReference(
            RuleOrigin.ClusterNetworkPolicy,
            new NamespacedName(string.Empty, policy.Name),
            policy.Defect is null ? index : null,
            rule.Position == default ? policy.Position : rule.Position);
        if (FindDefect(direction, rule) is not null)
        {
            return new RuleSpec(rule.Action, null, null, [], true, reference);
        }

        var peers = rule.Peers.ConvertAll((peer, _) => TranslatePeer(peer)).Distinct();
        return rule.Ports is not { } ports
            ? new RuleSpec(rule.Action, peers, null, [], false, reference)
            : new RuleSpec(rule.Action, peers, Numbers(ports), Names(ports), false, reference);
    }

    private static PeerSpec TranslatePeer(ClusterPolicyPeer peer) => peer switch
    {
        { Pods: { } pods } => new PodSpec(Pods(pods)),
        { Nodes: { } nodes } => new NodesSpec(LabelMatching.Canonical(nodes)),
        { Networks: { } networks } => new BlockSpec(networks, []),
        _ => throw new ArgumentException("The peer selects nothing.", nameof(peer)),
    };

    private static SelectionKey Pods(ClusterPolicySubject pods) => new(
        new ScopeKey(null, LabelMatching.Canonical(pods.NamespaceSelector)),
        LabelMatching.Canonical(pods.PodSelector ?? LabelSelector.Everything));

    private static EquatableArray<PortRange> Numbers(EquatableArray<NetworkPolicyPort> ports)
    {
        var ranges = new List<PortRange>(ports.Count);
        foreach (var (protocol, port, endPort) in ports)
        {
            if (port is null)
            {
                ranges.Add(PortRange.All(protocol));
            }
            else if (port.Value.Number is { } first)
            {
                AddRange(ranges, protocol, first, endPort ?? first);
            }
        }

        return Merge(ranges);
    }

    private static EquatableArray<PortRange> Numbers(EquatableArray<ClusterPolicyPort> ports)
    {
        var ranges = new List<PortRange>(ports.Count);
        foreach (var port in ports)
        {
            if (port is { NamedPort: null, Protocol: { } protocol })
            {
                AddRange(ranges, protocol, port.First ?? 0, port.First is null ? ushort.MaxValue : port.Last ?? port.First.Value);
            }
        }

        return Merge(ranges);
    }

    private static void AddRange(List<PortRange> ranges, IpProtocol protocol, ushort first, ushort last)
    {
        if (first <= last)
        {
            ranges.Add(new PortRange(protocol, first, last));
        }
    }

    private static EquatableArray<PortName> Names(EquatableArray<NetworkPolicyPort> ports)
    {
        var names = new List<PortName>();
        foreach (var port in ports)
        {
            if (port.Port?.Name is { } name)
            {
                names.Add(new PortName(name, port.Protocol));
            }
        }

        return names.ToEquatableArray().Distinct();
    }

    private static EquatableArray<PortName> Names(EquatableArray<ClusterPolicyPort> ports) =>
        ports.Where(port => port.NamedPort is not null)
            .Select(port => new PortName(port.NamedPort!, port.Protocol)).Distinct().ToEquatableArray();

    /// <summary>The same ports as disjoint ranges in order; sorts the list it is given.</summary>
    public static EquatableArray<PortRange> Merge(List<PortRange> ranges)
    {
        ranges.Sort((left, right) => (left.Protocol, left.First).CompareTo((right.Protocol, right.First)));
        var merged = CollectionsMarshal.AsSpan(ranges);
        var count = 0;
        foreach (var range in merged)
        {
            if (count > 0 && merged[count - 1] is var last && last.Protocol == range.Protocol && range.First <= last.Last + 1)
            {
                merged[count - 1] = last with { Last = Math.Max(last.Last, range.Last) };
            }
            else
            {
                merged[count++] = range;
            }
        }

        return EquatableArray.Create<PortRange>(merged[..count]);
    }
}
