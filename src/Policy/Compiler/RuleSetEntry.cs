using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>What decides a rule set's content: endpoints with equal keys share it.</summary>
/// <param name="Direction">The direction.</param>
/// <param name="Policies">The policies in order; compared by identity, which is cheap and almost as telling as their content.</param>
/// <param name="Node">The node whose traffic is exempt; null: none is.</param>
/// <param name="OwnPorts">What the names in ingress rules stand for at the endpoint.</param>
/// <param name="Self">Where the endpoint is behind a cluster IP itself; egress only.</param>
internal sealed record RuleSetKey(
    Direction Direction,
    DirectionRules[] Policies,
    string? Node,
    EquatableArray<NamedPort> OwnPorts,
    EquatableArray<SelfBackend> Self)
{
    public bool Equals(RuleSetKey? other)
    {
        if (other is null || Direction != other.Direction || Node != other.Node || OwnPorts != other.OwnPorts || Self != other.Self
            || Policies.Length != other.Policies.Length)
        {
            return false;
        }

        for (var i = 0; i < Policies.Length; i++)
        {
            if (!ReferenceEquals(Policies[i], other.Policies[i]))
            {
                return false;
            }
        }

        return true;
    }

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(Direction);
        hash.Add(Node);
        hash.Add(OwnPorts);
        hash.Add(Self);
        foreach (var policy in Policies)
        {
            hash.Add(System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(policy));
        }

        return hash.ToHashCode();
    }
}

/// <summary>A rule set with everything it needs and everyone who needs it.</summary>
internal sealed class RuleSetEntry(RuleSetKey key)
{
    public RuleSetKey Key { get; } = key;

    /// <summary>Its content now.</summary>
    public RuleSet? Current { get; set; }

    /// <summary>The number a change set has given it; null before.</summary>
    public RuleSetId? Announced { get; set; }

    /// <summary>Whether it waits to be looked at before the next change set.</summary>
    public bool IsChanged { get; set; }

    /// <summary>Whether it stays without users.</summary>
    public bool IsPermanent { get; init; }

    /// <summary>Adds a user.</summary>
    public void AddUser(PodState pod)
    {
        SetIndex(pod, Users.Count);
        Users.Add(pod);
    }

    /// <summary>Removes a user; its place goes to the last one.</summary>
    public void RemoveUser(PodState pod)
    {
        var index = Key.Direction == Direction.Ingress ? pod.Endpoint!.IngressIndex : pod.Endpoint!.EgressIndex;
        SetIndex(Users[Users.Count - 1], index);
        Users.RemoveAt(index);
    }

    /// <summary>Workloads whose endpoint has it.</summary>
    public CompactList<PodState> Users;

    /// <summary>The tiers without Services.</summary>
    public EquatableArray<RuleTier> BaseTiers { get; set; }

    /// <summary>The tiers without Services as they would be with the policies in audit mode; null when that is the same.</summary>
    public EquatableArray<RuleTier>? BaseAudit { get; set; }

    /// <summary>How <see cref="BaseTiers"/> decide Services; null when they are not decided.</summary>
    public ServiceTier? Services { get; set; }

    /// <summary>How <see cref="BaseAudit"/> decide Services; null when they are not decided.</summary>
    public ServiceTier? AuditServices { get; set; }

    /// <summary>The peer sets the tiers without Services name.</summary>
    public PeerSetState[] BasePeerSets { get; set; } = [];

    /// <summary>The peer sets its rules name.</summary>
    public PeerSetState[] PeerSets { get; set; } = [];

    /// <summary>The named ports its rules spell out.</summary>
    public NamedPortGroup[] NamedPorts { get; set; } = [];

    /// <summary>Decides frontends again; true when the rule set has to be put together again.</summary>
    public bool Decide(IReadOnlyCollection<Frontend> frontends)
    {
        var changed = Services?.Decide(frontends) ?? false;
        changed |= AuditServices?.Decide(frontends) ?? false;
        return changed;
    }

    private void SetIndex(PodState pod, int index)
    {
        if (Key.Direction == Direction.Ingress)
        {
            pod.Endpoint!.IngressIndex = index;
        }
        else
        {
            pod.Endpoint!.EgressIndex = index;
        }
    }
}
