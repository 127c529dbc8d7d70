using System.Diagnostics.CodeAnalysis;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Rules;

/// <summary>Identifies a rule set. Numbers start at 1 and are reused only after a change set has removed their bearer.</summary>
/// <param name="Value">The number.</param>
public readonly record struct RuleSetId(int Value);

/// <summary>The stages a packet's verdict goes through, in this order.</summary>
public enum RuleTierKind
{
    /// <summary>Cluster IPs, decided by their backends; egress only.</summary>
    Service,

    /// <summary>ClusterNetworkPolicies of tier Admin.</summary>
    Admin,

    /// <summary>Traffic with the pod's own node, which is allowed.</summary>
    Node,

    /// <summary>NetworkPolicies.</summary>
    NetworkPolicy,

    /// <summary>ClusterNetworkPolicies of tier Baseline.</summary>
    Baseline,
}

/// <summary>What a verdict is attributed to.</summary>
public enum RuleOrigin
{
    /// <summary>A NetworkPolicy.</summary>
    NetworkPolicy,

    /// <summary>A ClusterNetworkPolicy.</summary>
    ClusterNetworkPolicy,

    /// <summary>Portcullis itself: node traffic, strict mode, an unknown interface.</summary>
    Portcullis,
}

/// <summary>The policy and rule that decide a verdict.</summary>
/// <param name="Origin">The kind of policy.</param>
/// <param name="Policy">Its name; for <see cref="RuleOrigin.Portcullis"/> what decided: <c>node</c>, <c>strict</c>.</param>
/// <param name="Rule">The rule's index in its direction, from 0; null for the policy as a whole: its isolation, or its denial when it cannot be enforced as written.</param>
/// <param name="Position">Where the rule starts, else where the policy starts.</param>
public sealed record RuleReference(RuleOrigin Origin, NamespacedName Policy, int? Rule, SourcePosition Position = default)
{
    /// <summary>The name users know the kind by; null for Portcullis' own rules.</summary>
    public string? Kind => Origin == RuleOrigin.Portcullis ? null : Origin.ToString();
}

/// <summary>Ports of one protocol.</summary>
/// <param name="Protocol">The protocol.</param>
/// <param name="First">The first port.</param>
/// <param name="Last">The last port, not below <paramref name="First"/>. 0 to 65535 is the whole protocol.</param>
public readonly record struct PortRange(IpProtocol Protocol, ushort First, ushort Last)
{
    /// <summary>Every port of a protocol.</summary>
    public static PortRange All(IpProtocol protocol) => new(protocol, 0, ushort.MaxValue);
}

/// <summary>One rule: matches when the peer is in any of the sets and protocol and destination port in any of the ranges.</summary>
/// <param name="Action">What to do with what it matches.</param>
/// <param name="Peers">The peer sets; null: every address. Never empty.</param>
/// <param name="Ports">The ranges; null: every protocol, with or without ports. Never empty.</param>
/// <param name="Reference">What to attribute to it.</param>
public sealed record Rule(RuleAction Action, EquatableArray<PeerSetId>? Peers, EquatableArray<PortRange>? Ports, RuleReference Reference);

/// <summary>The rules of one stage, in order: the first that matches decides.</summary>
/// <param name="Kind">Which stage.</param>
/// <param name="Rules">The rules.</param>
/// <param name="Isolation">
/// When set, what no rule of this tier matched is denied and attributed to this; when null, the next tier decides.
/// In tier NetworkPolicy the endpoint's own addresses are allowed before isolation denies: a pod reaches itself through a Service.
/// </param>
public sealed record RuleTier(RuleTierKind Kind, EquatableArray<Rule> Rules, RuleReference? Isolation = null);

/// <summary>
/// Everything that decides one direction of an endpoint. Immutable: a policy change makes another rule set and points
/// endpoints to it. Equal rules are one rule set, shared by all endpoints that have them.
/// </summary>
/// <remarks>
/// Meaning: tiers in order; in a tier the first matching rule decides (Accept and Deny finally, Pass: next tier); a tier
/// without a match denies when it isolates and otherwise leaves it to the next; after the last tier the packet is allowed.
/// </remarks>
/// <param name="Id">Its number.</param>
/// <param name="Direction">The direction it is for.</param>
/// <param name="Tiers">The tiers in order of <see cref="RuleTierKind"/>; absent ones have no effect.</param>
/// <param name="Audit">
/// The tiers as they would be if policies in audit mode were enforced, when that differs; null otherwise. A packet that
/// <paramref name="Tiers"/> allow and these deny passes and is reported as audit-deny.
/// </param>
[SuppressMessage("Naming", "CA1721", Justification = "Audit is the domain's word.")]
public sealed record RuleSet(RuleSetId Id, Direction Direction, EquatableArray<RuleTier> Tiers, EquatableArray<RuleTier>? Audit = null);
