namespace Portcullis.Conformance.Generator;

/// <summary>Writes policy manifests and the selector choices that cases combine.</summary>
internal static class Policies
{
    public static readonly Choice<Actor>[] PodSelectors =
    [
        new("nil-pods", null, _ => true),
        new("all-pods", "{}", _ => true),
        new("label-pods", "{ matchLabels: { color: red } }", pod => pod.Color == "red"),
        new("in-pods", "{ matchExpressions: [ { key: color, operator: In, values: [red, blue] } ] }", pod => pod.Color != "green"),
        new("notin-pods", "{ matchExpressions: [ { key: color, operator: NotIn, values: [red, blue] } ] }", pod => pod.Color == "green"),
        new("exists-pods", "{ matchExpressions: [ { key: color, operator: Exists } ] }", _ => true),
        new("absent-pods", "{ matchExpressions: [ { key: color, operator: DoesNotExist } ] }", _ => false),
    ];

    public static readonly Choice<Actor>[] NamespaceSelectors =
    [
        new("nil-namespaces", null, pod => pod.Area == "north"),
        new("all-namespaces", "{}", _ => true),
        new("label-namespaces", "{ matchLabels: { area: east } }", pod => pod.Area == "east"),
        new("in-namespaces", "{ matchExpressions: [ { key: area, operator: In, values: [east, north] } ] }", pod => pod.Area != "west"),
        new("notin-namespaces", "{ matchExpressions: [ { key: area, operator: NotIn, values: [east] } ] }", pod => pod.Area != "east"),
        new("exists-namespaces", "{ matchExpressions: [ { key: area, operator: Exists } ] }", _ => true),
        new("named-namespaces", "{ matchLabels: { kubernetes.io/metadata.name: west } }", pod => pod.Area == "west"),
    ];

    /// <summary>A NetworkPolicy in namespace <paramref name="area"/>; <paramref name="rest"/> is the indented body of spec after podSelector.</summary>
    public static string NetworkPolicy(string name, string area, string podSelector, string rest) =>
        $$"""
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: { namespace: {{area}}, name: {{name}} }
        spec:
          podSelector: {{podSelector}}
        {{rest}}
        """;

    /// <summary>A policy of north/red with one rule in one direction.</summary>
    public static string OneRule(string name, string direction, string rule) =>
        NetworkPolicy(name, "north", "{ matchLabels: { color: red } }", $"  policyTypes: [{Type(direction)}]\n  {direction}: [ {rule} ]");

    public static string ClusterPolicy(string name, string tier, int priority, string rest) =>
        $$"""
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: { name: {{name}} }
        spec:
          tier: {{tier}}
          priority: {{priority}}
        {{rest}}
        """;

    public static string Type(string direction) => direction == "ingress" ? "Ingress" : "Egress";

    public static string PeerField(string direction) => direction == "ingress" ? "from" : "to";

    /// <summary>The pod whose policy is asked, and the other end, for a direction.</summary>
    public static (Actor Subject, Actor Peer) Ends(Flow flow, string direction) =>
        direction == "ingress" ? (flow.To, flow.From) : (flow.From, flow.To);

    public static bool Is(Actor actor, string id) => actor.Id == id;
}
