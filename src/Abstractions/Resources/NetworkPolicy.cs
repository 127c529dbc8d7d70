using Portcullis.Net;

namespace Portcullis.Resources;

/// <summary>The directions a NetworkPolicy names in <c>policyTypes</c>.</summary>
[Flags]
public enum PolicyTypes
{
    /// <summary>None given: Ingress, and Egress when there is an egress rule.</summary>
    None = 0,

    /// <summary>Ingress.</summary>
    Ingress = 1,

    /// <summary>Egress.</summary>
    Egress = 2,
}

/// <summary>networking.k8s.io/v1 NetworkPolicy, as written: absent and present lists are kept apart where it matters.</summary>
public sealed record NetworkPolicy : Resource
{
    /// <summary>The annotation that turns a policy into one that only reports.</summary>
    public const string ModeAnnotation = "portcullis.dev/mode";

    /// <summary>The namespace; never empty.</summary>
    public required string Namespace { get; init; }

    /// <summary>Which pods of the namespace it applies to.</summary>
    public LabelSelector PodSelector { get; init; } = LabelSelector.Everything;

    /// <summary>The directions as written; <see cref="PolicyTypes.None"/> when absent or empty.</summary>
    public PolicyTypes Types { get; init; }

    /// <summary>The ingress rules; absent and empty lists mean the same.</summary>
    public EquatableArray<NetworkPolicyRule> Ingress { get; init; } = [];

    /// <summary>The egress rules; absent and empty lists mean the same.</summary>
    public EquatableArray<NetworkPolicyRule> Egress { get; init; } = [];

    /// <summary>Whether the policy changes no verdict and only reports what it would deny.</summary>
    public bool Audit { get; init; }

    /// <summary>
    /// Why the policy cannot be enforced as written; null when it can. A defective policy has <see cref="Types"/> set,
    /// no rules, and selects at least what its author meant: it isolates closed.
    /// </summary>
    public string? Defect { get; init; }

    /// <inheritdoc/>
    public override ResourceKey Key => new(ResourceKind.NetworkPolicy, Namespace, Name);
}

/// <summary>One ingress or egress rule of a NetworkPolicy.</summary>
/// <param name="Peers"><c>from</c> or <c>to</c>; empty: every peer.</param>
/// <param name="Ports"><c>ports</c>; empty: every protocol and port.</param>
/// <param name="Position">Where the rule starts.</param>
public sealed record NetworkPolicyRule(
    EquatableArray<NetworkPolicyPeer> Peers,
    EquatableArray<NetworkPolicyPort> Ports,
    SourcePosition Position = default);

/// <summary>One peer: pods by selectors, or an address block. Either <see cref="IpBlock"/> or at least one selector is set.</summary>
/// <param name="PodSelector">Null: every pod of the selected namespaces.</param>
/// <param name="NamespaceSelector">Null: only the policy's own namespace.</param>
/// <param name="IpBlock">The address block.</param>
public sealed record NetworkPolicyPeer(LabelSelector? PodSelector, LabelSelector? NamespaceSelector, IpBlock? IpBlock);

/// <summary>A block of addresses with holes.</summary>
/// <param name="Cidr">The block.</param>
/// <param name="Except">The holes; they may overlap, and one outside the block has no effect.</param>
public sealed record IpBlock(IpPrefix Cidr, EquatableArray<IpPrefix> Except);

/// <summary>Ports of a rule.</summary>
/// <param name="Protocol">The protocol.</param>
/// <param name="Port">Null: every port of the protocol.</param>
/// <param name="EndPort">The last port of a range that starts at a numeric <paramref name="Port"/>; null: only that port.</param>
public sealed record NetworkPolicyPort(IpProtocol Protocol, PortReference? Port, ushort? EndPort);
