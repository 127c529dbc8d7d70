using Portcullis.Net;

namespace Portcullis.Resources;

/// <summary>The tier of a ClusterNetworkPolicy.</summary>
public enum PolicyTier
{
    /// <summary>Before every NetworkPolicy.</summary>
    Admin,

    /// <summary>After every NetworkPolicy, where none isolates the pod.</summary>
    Baseline,
}

/// <summary>What a rule does with the traffic it matches.</summary>
public enum RuleAction
{
    /// <summary>Allowed, finally.</summary>
    Accept,

    /// <summary>Denied, finally.</summary>
    Deny,

    /// <summary>Left to the next tier.</summary>
    Pass,
}

/// <summary>policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy.</summary>
public sealed record ClusterNetworkPolicy : Resource
{
    /// <summary>The tier.</summary>
    public PolicyTier Tier { get; init; }

    /// <summary>0 to 1000; lower numbers come first, equal ones by name.</summary>
    public int Priority { get; init; }

    /// <summary>Which pods it applies to.</summary>
    public required ClusterPolicySubject Subject { get; init; }

    /// <summary>The ingress rules, first match wins; empty: ingress is not affected.</summary>
    public EquatableArray<ClusterPolicyRule> Ingress { get; init; } = [];

    /// <summary>The egress rules, first match wins; empty: egress is not affected.</summary>
    public EquatableArray<ClusterPolicyRule> Egress { get; init; } = [];

    /// <summary>Whether the policy changes no verdict and only reports what it would deny.</summary>
    public bool Audit { get; init; }

    /// <summary>
    /// Why the policy cannot be enforced as written; null when it can. A defective policy holds, for each direction it
    /// names, one defective Deny rule, and selects at least what its author meant.
    /// </summary>
    public string? Defect { get; init; }

    /// <inheritdoc/>
    public override ResourceKey Key => new(ResourceKind.ClusterNetworkPolicy, string.Empty, Name);
}

/// <summary>The pods a ClusterNetworkPolicy applies to, or pods as its peers.</summary>
/// <param name="NamespaceSelector">The namespaces.</param>
/// <param name="PodSelector">The pods in them; null: every pod.</param>
public sealed record ClusterPolicySubject(LabelSelector NamespaceSelector, LabelSelector? PodSelector);

/// <summary>One rule of a ClusterNetworkPolicy.</summary>
/// <remarks>
/// A rule with a <see cref="Defect"/> fails closed as a whole: Accept matches nothing, Deny and Pass deny everything
/// (except traffic with the pod's own node). A rule with <see cref="ClusterPolicyPeer.DomainNames"/> is defective
/// until names are resolved to addresses.
/// </remarks>
/// <param name="Name">The rule's name, or null.</param>
/// <param name="Action">What to do with what it matches.</param>
/// <param name="Peers"><c>from</c> or <c>to</c>; never empty unless the rule is defective.</param>
/// <param name="Ports"><c>protocols</c>; null: every protocol and port.</param>
/// <param name="Defect">Why the rule cannot be enforced as written; null when it can.</param>
/// <param name="Position">Where the rule starts.</param>
public sealed record ClusterPolicyRule(
    string? Name,
    RuleAction Action,
    EquatableArray<ClusterPolicyPeer> Peers,
    EquatableArray<ClusterPolicyPort>? Ports,
    string? Defect = null,
    SourcePosition Position = default);

/// <summary>One peer. Exactly one of the members is set.</summary>
/// <param name="Pods">Pods, by namespace and perhaps by labels.</param>
/// <param name="Nodes">Nodes, by labels; egress only.</param>
/// <param name="Networks">Address blocks, which match pod addresses too; on ingress only where a source has resolved peers to addresses.</param>
/// <param name="DomainNames">Domain names; egress Accept rules only.</param>
public sealed record ClusterPolicyPeer(
    ClusterPolicySubject? Pods = null,
    LabelSelector? Nodes = null,
    EquatableArray<IpPrefix>? Networks = null,
    EquatableArray<string>? DomainNames = null);

/// <summary>Ports of a rule: a protocol with an optional range, or a name looked up in the destination pod.</summary>
/// <param name="Protocol">The protocol; null only with <paramref name="NamedPort"/>, which brings its own.</param>
/// <param name="First">The first port; null: every port of the protocol.</param>
/// <param name="Last">The last port; equal to <paramref name="First"/> for a single one.</param>
/// <param name="NamedPort">The name of a container port of the destination; its protocol is the port's own.</param>
public sealed record ClusterPolicyPort(IpProtocol? Protocol, ushort? First = null, ushort? Last = null, string? NamedPort = null);
