using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>
/// Reads policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy with the limits and CEL rules of its CRD. The smallest part
/// that holds an error fails closed: a rule by itself, otherwise the whole policy.
/// </summary>
internal static class ClusterNetworkPolicyReader
{
    private const int MaxRules = 25;

    private static readonly string[] Fields = ["apiVersion", "kind", "metadata", "spec", "status"];
    private static readonly string[] SpecFields = ["tier", "priority", "subject", "ingress", "egress"];
    private static readonly string[] SubjectFields = ["namespaces", "pods"];

    /// <summary>The policy; null when it cannot even be told which one it is.</summary>
    public static ClusterNetworkPolicy? Read(ObjectScope scope)
    {
        if (ObjectMetadata.Read(scope, namespaced: false, Syntax.DnsSubdomain) is not { } metadata)
        {
            return null;
        }

        scope.IsMapping(scope.Root, Fields);
        var spec = ReadSpec(scope);
        var policy = new ClusterNetworkPolicy
        {
            Name = metadata.Name,
            Uid = metadata.Uid,
            Position = scope.PositionOf(scope.Root),
            Tier = ReadTier(scope, spec),
            Priority = ReadPriority(scope, spec),
            Subject = ReadSubject(scope, spec),
            Audit = metadata.ReadAudit(scope),
        };
        var ingress = RuleNodes(scope, spec?["ingress"]);
        var egress = RuleNodes(scope, spec?["egress"]);
        var defect = scope.DefectSince(0);
        var whole = policy with
        {
            Ingress = ingress.Select(rule => ClusterPolicyRuleReader.Read(scope, rule, Direction.Ingress)).ToEquatableArray(),
            Egress = egress.Select(rule => ClusterPolicyRuleReader.Read(scope, rule, Direction.Egress)).ToEquatableArray(),
        };
        return defect is null ? whole : Close(policy, scope, defect);
    }

    /// <summary>Exactly one of namespaces and pods, as subjects and as peers; null, and reported, when it cannot be read.</summary>
    public static ClusterPolicySubject ReadPods(ObjectScope scope, ManifestNode node) =>
        node["namespaces"] is { } namespaces
            ? new ClusterPolicySubject(SelectorReader.Read(scope, namespaces), null)
            : ReadNamespacedPods(scope, node["pods"]!);

    private static ManifestNode? ReadSpec(ObjectScope scope)
    {
        if (scope.Root["spec"] is not { } spec)
        {
            scope.Missing(scope.Root, "spec", "required");
            return null;
        }

        return scope.IsMapping(spec, SpecFields) ? spec : null;
    }

    /// <summary>The tier; the stronger one when it cannot be read.</summary>
    private static PolicyTier ReadTier(ObjectScope scope, ManifestNode? spec)
    {
        if (spec is not null && spec["tier"] is null)
        {
            scope.Missing(spec, "tier", "required: Admin or Baseline");
        }

        return scope.Choice(spec?["tier"], PolicyTier.Admin, ("Admin", PolicyTier.Admin), ("Baseline", PolicyTier.Baseline));
    }

    /// <summary>The priority; the strongest when it cannot be read.</summary>
    private static int ReadPriority(ObjectScope scope, ManifestNode? spec)
    {
        if (spec is not null && spec["priority"] is null)
        {
            scope.Missing(spec, "priority", "required: 0 to 1000");
        }

        return scope.Integer(spec?["priority"], 0, 1000) ?? 0;
    }

    /// <summary>The subject; every pod when it cannot be read.</summary>
    private static ClusterPolicySubject ReadSubject(ObjectScope scope, ManifestNode? spec)
    {
        var everyPod = new ClusterPolicySubject(LabelSelector.Everything, null);
        if (spec?["subject"] is not { } node)
        {
            if (spec is not null)
            {
                scope.Missing(spec, "subject", "required: namespaces or pods");
            }

            return everyPod;
        }

        if (!scope.IsMapping(node, SubjectFields))
        {
            return everyPod;
        }

        if (node["namespaces"] is null == node["pods"] is null)
        {
            scope.Error(node, "must have either namespaces or pods");
            return everyPod;
        }

        return ReadPods(scope, node);
    }

    private static ClusterPolicySubject ReadNamespacedPods(ObjectScope scope, ManifestNode node)
    {
        if (!scope.IsMapping(node, ["namespaceSelector", "podSelector"]))
        {
            return new ClusterPolicySubject(LabelSelector.Everything, null);
        }

        if (node["podSelector"] is null)
        {
            scope.Missing(node, "podSelector", "required; {} selects every pod");
        }

        return new ClusterPolicySubject(
            node["namespaceSelector"] is { } namespaces ? SelectorReader.Read(scope, namespaces) : LabelSelector.Everything,
            node["podSelector"] is { } pods ? SelectorReader.Read(scope, pods) : null);
    }

    private static IReadOnlyList<ManifestNode> RuleNodes(ObjectScope scope, ManifestNode? node)
    {
        var items = scope.Items(node);
        if (items.Count > MaxRules)
        {
            scope.Error(node!, $"has {items.Count} rules; at most {MaxRules} are allowed, so split the policy");
        }

        return items;
    }

    /// <summary>The closed form: in each direction that is named, or may be meant by a misspelt field, one rule that denies all.</summary>
    private static ClusterNetworkPolicy Close(ClusterNetworkPolicy policy, ObjectScope scope, string defect)
    {
        EquatableArray<ClusterPolicyRule> closed =
            [new ClusterPolicyRule(null, RuleAction.Deny, [], null, defect, scope.PositionOf(scope.Root))];
        var readable = scope.Root["spec"] is { Kind: NodeKind.Mapping };
        return policy with
        {
            Ingress = !readable || Names("ingress") ? closed : [],
            Egress = !readable || Names("egress") ? closed : [],
            Defect = defect,
        };

        bool Names(string direction) => scope.Root["spec"]!.Members.Any(member =>
            member.Key == direction
            || (Array.IndexOf(SpecFields, member.Key) < 0 && Spelling.Nearest(member.Key, SpecFields) == direction));
    }
}
