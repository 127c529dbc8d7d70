using static Portcullis.Conformance.Generator.Policies;

namespace Portcullis.Conformance.Generator;

/// <summary>What isolates, whom a policy applies to, and how policies add up.</summary>
internal static class RuleCases
{
    private const string Red = "{ matchLabels: { color: red } }";

    public static IEnumerable<Case> All() => [.. Isolation(), .. Targets(), .. Conflicts()];

    private static IEnumerable<Case> Isolation()
    {
        (string Name, string Body, bool Ingress, bool Egress)[] bodies =
        [
            ("no-types-no-rules", "  ingress: []", false, true),
            ("no-types-allow-all-ingress", "  ingress: [ {} ]", true, true),
            ("no-types-empty-egress", "  egress: []", false, true),
            ("no-types-allow-all-egress", "  egress: [ {} ]", false, true),
            ("empty-types-allow-all-egress", "  policyTypes: []\n  egress: [ {} ]", false, true),
            ("ingress-type-without-rules", "  policyTypes: [Ingress]", false, true),
            ("ingress-type-ignores-egress-rules", "  policyTypes: [Ingress]\n  egress: [ { to: [ { podSelector: {} } ] } ]", false, true),
            ("egress-type-without-rules", "  policyTypes: [Egress]", true, false),
            ("egress-type-ignores-ingress-rules", "  policyTypes: [Egress]\n  ingress: [ { from: [ { podSelector: {} } ] } ]", true, false),
            ("both-types-without-rules", "  policyTypes: [Ingress, Egress]", false, false),
            ("both-types-allow-all", "  policyTypes: [Ingress, Egress]\n  ingress: [ {} ]\n  egress: [ {} ]", true, true),
            ("both-types-allow-all-empty-peers", "  policyTypes: [Ingress, Egress]\n  ingress: [ { from: [] } ]\n  egress: [ { to: [], ports: [] } ]", true, true),
            ("both-types-allow-ingress", "  policyTypes: [Ingress, Egress]\n  ingress: [ {} ]", true, false),
            ("both-types-allow-egress", "  policyTypes: [Ingress, Egress]\n  egress: [ {} ]", false, true),
        ];
        foreach (var (name, body, ingress, egress) in bodies)
        {
            yield return new Case(
                "isolation",
                name,
                $"north/red {(ingress ? "receives from everyone" : "receives nothing")} and {(egress ? "sends to everyone" : "sends nothing")}",
                new Step(
                    [NetworkPolicy("subject", "north", Red, body)],
                    flow => (ingress || !Is(flow.To, "north/red")) && (egress || !Is(flow.From, "north/red"))));
        }
    }

    private static IEnumerable<Case> Targets()
    {
        foreach (var choice in PodSelectors.Where(choice => choice.Yaml is not null))
        {
            foreach (var area in World.Areas)
            {
                yield return new Case(
                    "targets",
                    $"{area}-{choice.Name}",
                    $"a deny-all applies to the pods [ {choice.Yaml} ] of namespace {area} and to no other",
                    new Step(
                        [NetworkPolicy("subject", area, choice.Yaml!, "  policyTypes: [Ingress, Egress]")],
                        flow => !Hit(flow.From, area, choice) && !Hit(flow.To, area, choice)));
            }
        }
    }

    private static bool Hit(Actor actor, string area, Choice<Actor> choice) => actor.Area == area && choice.Matches(actor);

    private static IEnumerable<Case> Conflicts()
    {
        foreach (var direction in new[] { "ingress", "egress" })
        {
            var type = Type(direction);
            var field = PeerField(direction);
            var denyAll = NetworkPolicy("deny", "north", Red, $"  policyTypes: [{type}]");
            var allowAll = NetworkPolicy("allow", "north", Red, $"  policyTypes: [{type}]\n  {direction}: [ {{}} ]");
            var allowEast = NetworkPolicy("allow-east", "north", Red, $"  policyTypes: [{type}]\n  {direction}: [ {{ {field}: [ {{ namespaceSelector: {{ matchLabels: {{ area: east }} }} }} ] }} ]");
            var allowBlue = NetworkPolicy("allow-blue", "north", Red, $"  policyTypes: [{type}]\n  {direction}: [ {{ {field}: [ {{ namespaceSelector: {{}}, podSelector: {{ matchLabels: {{ color: blue }} }} }} ] }} ]");
            var allow80 = NetworkPolicy("allow-80", "north", Red, $"  policyTypes: [{type}]\n  {direction}: [ {{ ports: [ {{ port: 80 }} ] }} ]");
            var hole = NetworkPolicy("hole", "north", Red, $"  policyTypes: [{type}]\n  {direction}: [ {{ {field}: [ {{ ipBlock: {{ cidr: 0.0.0.0/0, except: [10.2.0.0/16] }} }} ] }} ]");
            var fill = NetworkPolicy("fill", "north", Red, $"  policyTypes: [{type}]\n  {direction}: [ {{ {field}: [ {{ ipBlock: {{ cidr: 10.2.0.2/32 }} }} ] }} ]");

            yield return Of(direction, "deny-and-allow-all", [denyAll, allowAll], (_, _) => true);
            yield return Of(direction, "allow-all-and-deny-in-other-order", [allowAll, denyAll], (_, _) => true);
            yield return Of(direction, "deny-and-allow-namespace", [denyAll, allowEast], (_, peer) => peer.Area == "east");
            yield return Of(direction, "two-allows-add-up", [allowEast, allowBlue], (_, peer) => peer.Area == "east" || peer.Color == "blue");
            yield return Of(direction, "peers-and-ports-add-up", [allowEast, allow80], (flow, peer) => peer.Area == "east" || flow is { Protocol: "TCP", Port: 80 });
            yield return Of(direction, "allow-all-and-narrow", [allowAll, allowEast], (_, _) => true);
            yield return Of(
                direction,
                "hole-filled-by-other-policy",
                [hole, fill],
                (flow, peer) => flow.Family == "IPv4" && (!peer.V4.StartsWith("10.2.", StringComparison.Ordinal) || peer.V4 == "10.2.0.2"));
            yield return Of(direction, "same-policy-in-other-namespace", [denyAll.Replace("north", "west", StringComparison.Ordinal), allowEast], (_, peer) => peer.Area == "east", "west/red");
        }
    }

    private static Case Of(string direction, string name, string[] policies, Func<Flow, Actor, bool> allowed, string? denied = null) => new(
        "conflicts",
        $"{direction}-{name}",
        $"{policies.Length} policies of north/red for {direction} add up, in whatever order",
        new Step(
            policies,
            flow =>
            {
                var (subject, peer) = Ends(flow, direction);
                return !(denied is not null && Is(subject, denied)) && (!Is(subject, "north/red") || allowed(flow, peer));
            }));
}
