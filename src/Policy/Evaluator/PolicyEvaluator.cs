using Portcullis.Net;
using Portcullis.Policy.Store;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Evaluator;

/// <summary>
/// Judges traffic straight from the resources: slow, simple, and sharing no code with the compiler, whose judge it is.
/// </summary>
/// <remarks>Judges every workload, on whatever node. Not thread-safe.</remarks>
public sealed partial class PolicyEvaluator
{
    private static readonly RuleReference NodeReference = new(RuleOrigin.Portcullis, new NamespacedName(string.Empty, "node"), null);
    private static readonly RuleReference StrictReference = new(RuleOrigin.Portcullis, new NamespacedName(string.Empty, "strict"), null);

    private readonly PolicyOptions _options;
    private readonly Facts _facts;
    private readonly ILookup<string, NetworkPolicy> _policiesByNamespace;

    /// <summary>Creates an evaluator of a world.</summary>
    public PolicyEvaluator(World world, PolicyOptions options)
    {
        ArgumentNullException.ThrowIfNull(world);
        ArgumentNullException.ThrowIfNull(options);
        World = world;
        _options = options;
        _facts = new Facts(world, options);
        _policiesByNamespace = world.NetworkPolicies.ToLookup(policy => policy.Namespace);
    }

    /// <summary>The world it judges.</summary>
    public World World { get; }

    /// <summary>The live workload an address belongs to, or null.</summary>
    public Workload? OwnerOf(IpAddress address) => _facts.OwnerOf(address);

    /// <summary>The addresses of a workload, without those a younger one has taken over; none when it is finished or on the host's network.</summary>
    public IEnumerable<IpAddress> AddressesOf(Workload workload) => _facts.AddressesOf(workload);

    /// <summary>Judges traffic from one address to another: egress of the sender, ingress of the receiver, each allowed where no workload is.</summary>
    public (Verdict Egress, Verdict Ingress) Judge(IpAddress from, IpAddress to, Probe probe) => (
        OwnerOf(from) is { } sender ? Judge(Direction.Egress, sender, to, probe) : NotJudged(from),
        OwnerOf(to) is { } receiver ? Judge(Direction.Ingress, receiver, from, probe) : NotJudged(to));

    /// <summary>Judges one direction of a workload.</summary>
    /// <param name="direction">The direction.</param>
    /// <param name="subject">The workload.</param>
    /// <param name="peer">The address at the other end.</param>
    /// <param name="probe">Protocol and destination port.</param>
    public Verdict Judge(Direction direction, Workload subject, IpAddress peer, Probe probe)
    {
        ArgumentNullException.ThrowIfNull(subject);
        if (!Facts.IsSelectable(subject))
        {
            return new Verdict(true, null, null, $"{subject.Key.NamespacedName} is not subject to policies");
        }

        if (AddressesOf(subject).Contains(peer))
        {
            return new Verdict(true, null, null, "a pod reaches itself");
        }

        var verdict = Decide(direction, subject, peer, probe, withAudit: false);
        if (!verdict.Allowed)
        {
            return verdict;
        }

        var audit = Decide(direction, subject, peer, probe, withAudit: true);
        return audit.Allowed ? verdict : verdict with { AuditDeniedBy = audit.DecidedBy };
    }

    private static Verdict NotJudged(IpAddress address) => new(true, null, null, $"{address} is not a pod, so no policy applies there");

    private Verdict Decide(Direction direction, Workload subject, IpAddress peer, Probe probe, bool withAudit) =>
        direction == Direction.Egress && IsClusterIp(peer)
            ? DecideService(subject, peer, probe, withAudit)
            : DecideTiers(new Packet(direction, subject, peer, OwnerOf(peer), probe), withAudit);

    private Verdict DecideTiers(Packet packet, bool withAudit)
    {
        var isOwnNode = packet.Subject.Side == InterfaceSide.Peer && packet.Peer is { } peer && _facts.IsOwnNode(packet.Subject, peer);
        if (DecideCluster(PolicyTier.Admin, packet, withAudit, isOwnNode) is { } admin)
        {
            return admin;
        }

        if (isOwnNode && IsPoliced(packet, withAudit))
        {
            return new Verdict(true, NodeReference, RuleTierKind.Node, "traffic between a pod and its own node is always allowed");
        }

        return DecideNetworkPolicies(packet, withAudit)
            ?? DecideCluster(PolicyTier.Baseline, packet, withAudit, isOwnNode)
            ?? new Verdict(true, null, null, $"nothing isolates {packet.Subject.Key.NamespacedName} {Word(packet.Direction)}");
    }

    // A direction no policy names is not looked at at all, so nothing can be attributed there.
    private bool IsPoliced(Packet packet, bool withAudit) =>
        _options.Mode == EnforcementMode.Strict
        || NetworkPoliciesOf(packet, withAudit).Any()
        || ClusterPoliciesOf(packet, withAudit).Any();

    private Verdict? DecideNetworkPolicies(Packet packet, bool withAudit)
    {
        NetworkPolicy[] policies = [.. NetworkPoliciesOf(packet, withAudit)];
        if (policies.Length == 0 && _options.Mode != EnforcementMode.Strict)
        {
            return null;
        }

        foreach (var policy in policies)
        {
            var rules = packet.Direction == Direction.Ingress ? policy.Ingress : policy.Egress;
            for (var i = 0; i < rules.Count; i++)
            {
                if (Matches(policy, rules[i], packet))
                {
                    return new Verdict(
                        true,
                        Reference(policy, packet.Direction, i),
                        RuleTierKind.NetworkPolicy,
                        $"{Word(packet.Direction)} rule {i} of {policy.Key.NamespacedName} admits it");
                }
            }
        }

        if (packet.SparesSelf && packet.Peer is { } peer && AddressesOf(packet.Subject).Contains(peer))
        {
            return new Verdict(true, null, RuleTierKind.NetworkPolicy, "a pod reaches itself through a Service");
        }

        return policies.Length == 0
            ? new Verdict(false, StrictReference, RuleTierKind.NetworkPolicy, "mode strict isolates every pod; a policy has to admit it")
            : new Verdict(false, Reference(policies[0], packet.Direction, null), RuleTierKind.NetworkPolicy, ExplainIsolation(policies, packet));
    }

    private IEnumerable<NetworkPolicy> NetworkPoliciesOf(Packet packet, bool withAudit) =>
        _policiesByNamespace[packet.Subject.Namespace].Where(policy =>
            IsInForce(policy.Audit, withAudit)
            && AppliesTo(policy, packet.Direction)
            && Facts.Selects(policy.PodSelector, packet.Subject.Labels));

    private bool IsInForce(bool audit, bool withAudit) => withAudit || (!audit && _options.Mode != EnforcementMode.Audit);

    private static bool AppliesTo(NetworkPolicy policy, Direction direction) => (direction, policy.Types) switch
    {
        (Direction.Ingress, PolicyTypes.None) => true,
        (Direction.Egress, PolicyTypes.None) => !policy.Egress.IsEmpty,
        (Direction.Ingress, var types) => types.HasFlag(PolicyTypes.Ingress),
        (_, var types) => types.HasFlag(PolicyTypes.Egress),
    };

    private bool Matches(NetworkPolicy policy, NetworkPolicyRule rule, Packet packet) =>
        (rule.Peers.IsEmpty || rule.Peers.Any(peer => Matches(policy, peer, packet)))
        && (rule.Ports.IsEmpty || rule.Ports.Any(port => Matches(port, packet)));

    private bool Matches(NetworkPolicy policy, NetworkPolicyPeer peer, Packet packet)
    {
        if (peer.IpBlock is { } block)
        {
            return packet.Peer is { } address && block.Cidr.Contains(address) && !block.Except.Any(hole => hole.Contains(address));
        }

        return packet.PeerPod is { } pod
            && MatchesNamespace(policy, peer, pod)
            && (peer.PodSelector is null || Facts.Selects(peer.PodSelector, pod.Labels));
    }

    private bool MatchesNamespace(NetworkPolicy policy, NetworkPolicyPeer peer, Workload pod) => peer.NamespaceSelector is null
        ? pod.Namespace == policy.Namespace
        : _facts.SelectsNamespace(peer.NamespaceSelector, pod.Namespace);

    private static bool Matches(NetworkPolicyPort port, Packet packet)
    {
        if (packet.Probe.Protocol != port.Protocol)
        {
            return false;
        }

        return port.Port switch
        {
            null => true,
            { Name: { } name } => Serves(packet.Destination, name, port.Protocol, packet.Probe.Port),
            { Number: var number } => packet.Probe.Port >= number && packet.Probe.Port <= (port.EndPort ?? number),
        };
    }

    private static bool Serves(Workload? workload, string name, IpProtocol protocol, ushort port) =>
        workload is not null && workload.Ports.Any(served => served.Name == name && served.Protocol == protocol && served.Port == port);

    private static RuleReference Reference(NetworkPolicy policy, Direction direction, int? rule)
    {
        var rules = direction == Direction.Ingress ? policy.Ingress : policy.Egress;
        var own = rule is { } index ? rules[index].Position : default;
        return new RuleReference(RuleOrigin.NetworkPolicy, policy.Key.NamespacedName, rule, own == default ? policy.Position : own);
    }

    private static string Word(Direction direction) => direction == Direction.Ingress ? "ingress" : "egress";

    /// <summary>What is judged.</summary>
    /// <param name="Direction">The direction.</param>
    /// <param name="Subject">Whose rules decide.</param>
    /// <param name="Peer">The other end; null: an address that no peer of any rule stands for.</param>
    /// <param name="PeerPod">The workload that owns it, or null.</param>
    /// <param name="Probe">Protocol and port.</param>
    private sealed record Packet(Direction Direction, Workload Subject, IpAddress? Peer, Workload? PeerPod, Probe Probe)
    {
        /// <summary>Whether the subject's own addresses are exempt from isolation.</summary>
        public bool SparesSelf { get; init; } = true;

        public Workload? Destination => Direction == Direction.Ingress ? Subject : PeerPod;
    }
}
