using System.Collections.Immutable;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Host.Enforcement;

/// <summary>The rules of an interface that nothing may pass, and the endpoint that stands for one.</summary>
internal static class ClosedInterface
{
    /// <summary>The namespace of the endpoints that stand for interfaces; no Kubernetes name holds a colon.</summary>
    public const string Namespace = "portcullis:interface";

    private static readonly RuleReference Reason = new(RuleOrigin.Portcullis, new NamespacedName(string.Empty, "closed-interface"), Rule: null);

    /// <summary>Denies everything towards the interface. The compiler counts ids from 1 and never comes near this one.</summary>
    public static readonly RuleSet Ingress = DenyAll(int.MaxValue - 1, Direction.Ingress);

    /// <summary>Denies everything from the interface.</summary>
    public static readonly RuleSet Egress = DenyAll(int.MaxValue, Direction.Egress);

    /// <summary>Both.</summary>
    public static readonly ImmutableArray<RuleSet> RuleSets = [Ingress, Egress];

    /// <summary>The endpoint that closes an interface which belongs to no workload.</summary>
    public static Endpoint EndpointOf(Link link) =>
        new(new NamespacedName(Namespace, link.Name), link.Name, InterfaceSide.Peer, [], Ingress.Id, Egress.Id, link);

    private static RuleSet DenyAll(int id, Direction direction) =>
        new(new RuleSetId(id), direction, [new RuleTier(RuleTierKind.Admin, [], Reason)]);
}
