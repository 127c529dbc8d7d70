using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Evaluator;

/// <content>ClusterNetworkPolicies.</content>
public sealed partial class PolicyEvaluator
{
    private Verdict? DecideCluster(PolicyTier tier, Packet packet, bool withAudit, bool isOwnNode)
    {
        foreach (var policy in ClusterPoliciesOf(packet, withAudit).Where(policy => policy.Tier == tier))
        {
            var rules = packet.Direction == Direction.Ingress ? policy.Ingress : policy.Egress;
            for (var i = 0; i < rules.Count; i++)
            {
                var action = Outcome(tier, rules[i], packet, isOwnNode);
                if (action == RuleAction.Pass)
                {
                    return null;
                }

                if (action is { } decided)
                {
                    var accepted = decided == RuleAction.Accept;
                    return new Verdict(
                        accepted,
                        Reference(policy, rules[i], i),
                        tier == PolicyTier.Admin ? RuleTierKind.Admin : RuleTierKind.Baseline,
                        ExplainCluster(policy, rules[i], i, packet, accepted));
                }
            }
        }

        return null;
    }

    // The rule that stands for a policy that is closed as a whole is not its author's.
    private static RuleReference Reference(ClusterNetworkPolicy policy, ClusterPolicyRule rule, int index) => new(
        RuleOrigin.ClusterNetworkPolicy,
        policy.Key.NamespacedName,
        policy.Defect is null ? index : null,
        rule.Position == default ? policy.Position : rule.Position);

    private static string ExplainCluster(ClusterNetworkPolicy policy, ClusterPolicyRule rule, int index, Packet packet, bool accepted)
    {
        var which = $"{Word(packet.Direction)} rule {index} of ClusterNetworkPolicy {policy.Name}";
        if (accepted)
        {
            return $"{which} accepts it";
        }

        if (policy.Defect is { } whole)
        {
            return $"ClusterNetworkPolicy {policy.Name} cannot be enforced as written ({whole}) and denies everything; correct it";
        }

        return FailsClosed(packet.Direction, rule)
            ? $"{which} cannot be enforced as written ({rule.Defect ?? "a peer or protocol of it is empty or unknown"}) and denies everything; correct it"
            : $"{which} denies it; an Accept before it would be needed";
    }

    private IEnumerable<ClusterNetworkPolicy> ClusterPoliciesOf(Packet packet, bool withAudit) =>
        World.ClusterNetworkPolicies
            .Where(policy => IsInForce(policy.Audit, withAudit)
                && !(packet.Direction == Direction.Ingress ? policy.Ingress : policy.Egress).IsEmpty
                && _facts.SelectsPod(policy.Subject, packet.Subject))
            .OrderBy(policy => policy.Tier).ThenBy(policy => policy.Priority).ThenBy(policy => policy.Name, StringComparer.Ordinal);

    /// <summary>What a rule does with a packet; null when it does not match.</summary>
    private RuleAction? Outcome(PolicyTier tier, ClusterPolicyRule rule, Packet packet, bool isOwnNode)
    {
        // An Admin Deny wins over the own node only by nodes and networks, and only when it means to.
        var sparesNode = tier == PolicyTier.Admin && isOwnNode;
        if (FailsClosed(packet.Direction, rule))
        {
            return rule.Action == RuleAction.Accept || sparesNode ? null : RuleAction.Deny;
        }

        var byNodeAndNetworkOnly = sparesNode && rule.Action == RuleAction.Deny;
        var matches = rule.Peers.Any(peer => !(byNodeAndNetworkOnly && peer.Pods is not null)
            && Matches(peer, packet)
            && (rule.Ports is not { } ports || ports.Any(port => Matches(port, peer, packet))));
        return matches ? rule.Action : null;
    }

    private static bool FailsClosed(Direction direction, ClusterPolicyRule rule) =>
        rule.Defect is not null
        || rule.Peers.IsEmpty
        || rule.Peers.Any(peer => !IsUsable(direction, peer))
        || rule.Ports is { IsEmpty: true }
        || (rule.Ports is { } ports && ports.Any(port => port.Protocol is null && port.NamedPort is null));

    private static bool IsUsable(Direction direction, ClusterPolicyPeer peer) =>
        peer.DomainNames is null
        && (peer.Pods is not null
            || peer.Networks is { IsEmpty: false }
            || (direction == Direction.Egress && peer.Nodes is not null));

    private bool Matches(ClusterPolicyPeer peer, Packet packet)
    {
        if (packet.Peer is not { } address)
        {
            return false;
        }

        return (peer.Pods is { } pods && packet.PeerPod is { } pod && _facts.SelectsPod(pods, pod))
            || (peer.Nodes is { } nodes && _facts.SelectsNode(nodes, address))
            || (peer.Networks is { } networks && networks.Any(network => network.Contains(address)));
    }

    private static bool Matches(ClusterPolicyPort port, ClusterPolicyPeer peer, Packet packet)
    {
        if (packet.Probe.Protocol is not { } protocol || (port.Protocol is { } wanted && wanted != protocol))
        {
            return false;
        }

        if (port.NamedPort is { } name)
        {
            // Nodes serve no names.
            return peer.Nodes is null && Serves(packet.Destination, name, protocol, packet.Probe.Port);
        }

        return port.First is not { } first || (packet.Probe.Port >= first && packet.Probe.Port <= (port.Last ?? first));
    }
}
