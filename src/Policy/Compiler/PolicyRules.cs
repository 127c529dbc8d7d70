using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>A port by name; a null protocol means the port's own.</summary>
internal readonly record struct PortName(string Name, IpProtocol? Protocol)
{
    public bool Means(NamedPort port) => port.Name == Name && (Protocol is not { } protocol || protocol == port.Protocol);
}

/// <summary>One rule of a policy, with peers and ports not yet looked up.</summary>
/// <param name="Action">What to do.</param>
/// <param name="Peers">The peers; null: everything.</param>
/// <param name="Ports">The ports by number; null: every protocol and port.</param>
/// <param name="Names">The ports by name.</param>
/// <param name="FailsClosed">Whether it cannot be enforced as written and stands for a denial of everything.</param>
/// <param name="Reference">What to attribute to it.</param>
internal sealed record RuleSpec(
    RuleAction Action,
    EquatableArray<PeerSpec>? Peers,
    EquatableArray<PortRange>? Ports,
    EquatableArray<PortName> Names,
    bool FailsClosed,
    RuleReference Reference);

/// <summary>What a policy says about one direction.</summary>
/// <param name="Tier">Its tier.</param>
/// <param name="Priority">Its priority in the tier.</param>
/// <param name="Name">Its name, which orders equal priorities.</param>
/// <param name="Audit">Whether it only reports.</param>
/// <param name="Isolation">Set when it isolates.</param>
/// <param name="Rules">Its rules in order.</param>
internal sealed record DirectionRules(
    RuleTierKind Tier,
    int Priority,
    NamespacedName Name,
    bool Audit,
    RuleReference? Isolation,
    EquatableArray<RuleSpec> Rules) : IComparable<DirectionRules>
{
    /// <summary>Whether some rule gives a port by name.</summary>
    public bool HasNames { get; } = Rules.Exists(rule => !rule.Names.IsEmpty);

    /// <summary>Orders as verdicts are looked for: by tier, priority and name.</summary>
    public int CompareTo(DirectionRules? other)
    {
        if (other is null || Tier != other.Tier)
        {
            return other is null ? 1 : Tier.CompareTo(other.Tier);
        }

        return Priority != other.Priority ? Priority.CompareTo(other.Priority) : Name.CompareTo(other.Name);
    }
}

/// <summary>A policy in force.</summary>
internal sealed class PolicyState(Selection subject)
{
    public Selection Subject { get; set; } = subject;

    public DirectionRules? Ingress { get; set; }

    public DirectionRules? Egress { get; set; }
}
