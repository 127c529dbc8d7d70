using Portcullis.Resources;

namespace Portcullis.Policy.Evaluator;

/// <content>What would have to change for a denied packet to pass.</content>
public sealed partial class PolicyEvaluator
{
    private string ExplainIsolation(NetworkPolicy[] policies, Packet packet)
    {
        var names = string.Join(", ", policies.Select(policy => policy.Key.NamespacedName));
        if (Array.Find(policies, policy => policy.Defect is not null) is { } defective)
        {
            return $"{defective.Key.NamespacedName} cannot be enforced as written ({defective.Defect}) and admits nothing; correct it";
        }

        var admitting = from policy in policies
                        from rule in packet.Direction == Direction.Ingress ? policy.Ingress : policy.Egress
                        where Matches(policy, rule with { Ports = [] }, packet)
                        select policy;
        return admitting.FirstOrDefault() is { } other
            ? $"{Word(packet.Direction)} rules of {other.Key.NamespacedName} admit {Describe(policies, packet)}, but not on {packet.Probe}"
            : $"no {Word(packet.Direction)} rule of {names} admits {Describe(policies, packet)}";
    }

    private string Describe(NetworkPolicy[] policies, Packet packet)
    {
        if (packet.PeerPod is not { } pod)
        {
            return packet.Peer is { } address ? $"{address}" : "a Service without ready backends";
        }

        var namespaceIsAdmitted = policies.Any(policy => (packet.Direction == Direction.Ingress ? policy.Ingress : policy.Egress)
            .SelectMany(rule => rule.Peers)
            .Any(peer => peer.IpBlock is null && MatchesNamespace(policy, peer, pod)));
        return pod.Namespace == packet.Subject.Namespace || namespaceIsAdmitted
            ? $"pod {pod.Key.NamespacedName}"
            : $"namespace {pod.Namespace}";
    }
}
