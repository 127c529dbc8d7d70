using static Portcullis.Conformance.Generator.Policies;

namespace Portcullis.Conformance.Generator;

/// <summary>What changes while the world runs: policies, pods, labels, namespaces come, change and go.</summary>
internal static class ActionCases
{
    private const string Red = "{ matchLabels: { color: red } }";
    private const string DenyPolicy = "NetworkPolicy north/subject";

    public static IEnumerable<Case> All()
    {
        foreach (var direction in new[] { "ingress", "egress" })
        {
            var type = Type(direction);
            var field = PeerField(direction);
            string Policy(string body) => NetworkPolicy("subject", "north", Red, $"  policyTypes: [{type}]\n{body}");
            string Allow(string peer) => Policy($"  {direction}: [ {{ {field}: [ {peer} ] }} ]");
            Func<Flow, bool> Only(Func<Actor, bool> peers) => flow =>
            {
                var (subject, peer) = Ends(flow, direction);
                return !Is(subject, "north/red") || peers(peer);
            };

            var deny = Policy(string.Empty);
            var allowEast = Allow("{ namespaceSelector: { matchLabels: { area: east } } }");
            var allowBlue = Allow("{ namespaceSelector: {}, podSelector: { matchLabels: { color: blue } } }");

            yield return Of(direction, "policy-created-and-deleted", new([], _ => true), new([deny], Only(_ => false)), new([], [DenyPolicy], _ => true));
            yield return Of(direction, "policy-updated", new([deny], Only(_ => false)), new([allowEast], Only(peer => peer.Area == "east")), new([allowBlue], Only(peer => peer.Color == "blue")));
            yield return Of(direction, "policy-deleted-and-recreated", new([deny], Only(_ => false)), new([], [DenyPolicy], _ => true), new([allowBlue], Only(peer => peer.Color == "blue")));
            yield return Of(
                direction,
                "policy-moves-to-other-pods",
                new([deny], Only(_ => false)),
                new(
                    [NetworkPolicy("subject", "north", "{ matchLabels: { color: blue } }", $"  policyTypes: [{type}]")],
                    flow => !Is(Ends(flow, direction).Subject, "north/blue")));
            yield return Of(
                direction,
                "one-of-two-policies-deleted",
                new([deny, allowEast.Replace("name: subject", "name: other", StringComparison.Ordinal)], Only(peer => peer.Area == "east")),
                new([], [DenyPolicy], Only(peer => peer.Area == "east")),
                new([], ["NetworkPolicy north/other"], _ => true));
            yield return Of(
                direction,
                "peer-relabelled",
                new([allowBlue], Only(peer => peer.Color == "blue")),
                new([World.PodManifest(World.Pod("east/green"), "blue")], Only(peer => peer.Color == "blue" || peer.Id == "east/green")),
                new([World.PodManifest(World.Pod("west/blue"), "grey")], Only(peer => peer.Id is "north/blue" or "east/blue" or "east/green")));
            yield return Of(
                direction,
                "subject-relabelled",
                new([deny], Only(_ => false)),
                new([World.PodManifest(World.Pod("north/red"), "grey")], _ => true),
                new([World.PodManifest(World.Pod("north/green"), "red")], flow => !Is(Ends(flow, direction).Subject, "north/green")));
            yield return Of(
                direction,
                "namespace-relabelled",
                new([allowEast], Only(peer => peer.Area == "east")),
                new([World.NamespaceManifest("east", "elsewhere")], Only(_ => false)),
                new([World.NamespaceManifest("west", "east")], Only(peer => peer.Area == "west")));
            yield return Of(
                direction,
                "namespace-object-deleted",
                new([allowEast], Only(peer => peer.Area == "east")),
                new([], ["Namespace east"], Only(_ => false)),
                new([World.Namespace("east")], Only(peer => peer.Area == "east")));
            yield return Of(
                direction,
                "peer-recreated-with-other-label",
                new([allowBlue], Only(peer => peer.Color == "blue")),
                new([], ["Pod east/blue"], Only(peer => peer.Color == "blue" && peer.Id != "east/blue")),
                new([World.PodManifest(World.Pod("east/blue"), "grey")], Only(peer => peer.Color == "blue" && peer.Id != "east/blue")));
            yield return Of(
                direction,
                "subject-recreated",
                new([deny], Only(_ => false)),
                new([], ["Pod north/red"], _ => true),
                new([World.PodManifest(World.Pod("north/red"), "red")], Only(_ => false)));
            yield return Of(
                direction,
                "cluster-policy-created-and-deleted",
                new([Cluster("Deny", direction)], Only(peer => peer.Area != "east")),
                new([Cluster("Accept", direction), deny], Only(peer => peer.Area == "east")),
                new([], ["ClusterNetworkPolicy admin"], Only(_ => false)),
                new([], [DenyPolicy], _ => true));
        }
    }

    private static string Cluster(string action, string direction) => ClusterPolicy(
        "admin",
        "Admin",
        1,
        $"  subject: {{ pods: {{ namespaceSelector: {{ matchLabels: {{ area: north }} }}, podSelector: {Red} }} }}\n  {direction}: [ {{ action: {action}, {PeerField(direction)}: [ {{ namespaces: {{ matchLabels: {{ area: east }} }} }} ] }} ]");

    private static Case Of(string direction, string name, params Step[] steps) =>
        new("actions", $"{direction}-{name}", $"{name.Replace('-', ' ')}: each step is enforced as if the world had always been so ({direction})", steps);
}
