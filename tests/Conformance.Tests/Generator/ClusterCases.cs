using static Portcullis.Conformance.Generator.Policies;

namespace Portcullis.Conformance.Generator;

/// <summary>ClusterNetworkPolicy: tiers, actions, peers, protocols, precedence.</summary>
internal static class ClusterCases
{
    private const string Subject = "  subject: { pods: { namespaceSelector: { matchLabels: { area: north } }, podSelector: { matchLabels: { color: red } } } }";
    private const string EastPods = "{ namespaces: { matchLabels: { area: east } } }";
    private const string Everything = "{ namespaces: {} }";
    private const string AllNetworks = "{ networks: [ 0.0.0.0/0, \"::/0\" ] }";

    private static readonly string[] Directions = ["ingress", "egress"];
    private static readonly string[] Tiers = ["Admin", "Baseline"];

    public static IEnumerable<Case> All() =>
        [.. Actions(), .. Peers(), .. Protocols(), .. Precedence(), .. AcrossTiers(), .. Subjects()];

    private static IEnumerable<Case> Actions()
    {
        foreach (var (tier, direction) in TiersAndDirections())
        {
            foreach (var action in new[] { "Accept", "Deny", "Pass" })
            {
                yield return Of(
                    tier,
                    $"{direction}-{action.ToLowerInvariant()}-alone",
                    $"{action} alone {(action == "Deny" ? "denies what it matches" : "changes nothing that is open")}",
                    direction,
                    [Cluster(tier, 50, direction, (action, EastPods, null))],
                    (_, peer) => action != "Deny" || peer.Area != "east");
            }
        }
    }

    private static IEnumerable<Case> Peers()
    {
        (string Name, string Yaml, Func<Flow, Actor, bool> Matches, bool EgressOnly)[] peers =
        [
            ("namespaces", EastPods, (_, peer) => peer.Area == "east", false),
            ("every-namespace", Everything, (_, peer) => peer.IsPod, false),
            ("pods", "{ pods: { namespaceSelector: { matchLabels: { area: west } }, podSelector: { matchLabels: { color: blue } } } }", (_, peer) => peer.Id == "west/blue", false),
            ("pods-everywhere", "{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { color: blue } } } }", (_, peer) => peer.Color == "blue", false),
            ("two-peers", $"{EastPods}, {{ pods: {{ namespaceSelector: {{}}, podSelector: {{ matchLabels: {{ color: blue }} }} }} }}", (_, peer) => peer.Area == "east" || peer.Color == "blue", false),
            ("networks-match-pods", "{ networks: [ 10.2.0.0/24, \"2001:db8::/32\" ] }", (flow, peer) => flow.Family == "IPv4" ? peer.Area == "east" : peer.Id == "far-stranger", true),
            ("networks-match-strangers", "{ networks: [ 192.0.2.0/24 ] }", (flow, peer) => flow.Family == "IPv4" && peer.Id == "far-stranger", true),
        ];
        foreach (var (tier, direction) in TiersAndDirections())
        {
            foreach (var (name, yaml, matches, egressOnly) in peers)
            {
                if (egressOnly && direction == "ingress")
                {
                    continue;
                }

                yield return Of(
                    tier,
                    $"{direction}-deny-{name}",
                    $"Deny covers exactly [ {yaml} ]",
                    direction,
                    [Cluster(tier, 50, direction, ("Deny", yaml, null))],
                    (flow, peer) => !matches(flow, peer));
            }
        }
    }

    private static IEnumerable<Case> Protocols()
    {
        (string Name, string Yaml, Func<Flow, bool> Covers)[] protocols =
        [
            ("tcp-number", "{ tcp: { destinationPort: { number: 80 } } }", flow => flow is { Protocol: "TCP", Port: 80 }),
            ("udp-number", "{ udp: { destinationPort: { number: 81 } } }", flow => flow is { Protocol: "UDP", Port: 81 }),
            ("sctp-number", "{ sctp: { destinationPort: { number: 80 } } }", flow => flow is { Protocol: "SCTP", Port: 80 }),
            ("tcp-range", "{ tcp: { destinationPort: { range: { start: 80, end: 81 } } } }", flow => flow is { Protocol: "TCP", Port: 80 or 81 }),
            ("two-protocols", "{ tcp: { destinationPort: { number: 80 } } }, { udp: { destinationPort: { number: 80 } } }", flow => flow is { Protocol: "TCP" or "UDP", Port: 80 }),
            ("named", "{ destinationNamedPort: port-81-udp }", flow => flow is { Protocol: "UDP", Port: 81 }),
        ];
        foreach (var (tier, direction) in TiersAndDirections())
        {
            foreach (var (name, yaml, covers) in protocols)
            {
                yield return Of(
                    tier,
                    $"{direction}-deny-{name}",
                    $"Deny covers exactly the protocols [ {yaml} ] of pods in east",
                    direction,
                    [Cluster(tier, 50, direction, ("Deny", EastPods, yaml))],
                    (flow, peer) => !(peer.Area == "east" && covers(flow)));
            }
        }
    }

    private static IEnumerable<Case> Precedence()
    {
        foreach (var (tier, direction) in TiersAndDirections())
        {
            yield return Of(
                tier,
                $"{direction}-first-rule-wins",
                "of two matching rules the earlier decides",
                direction,
                [Cluster(tier, 50, direction, ("Accept", EastPods, null), ("Deny", Everything, null))],
                (_, peer) => !peer.IsPod || peer.Area == "east");
            yield return Of(
                tier,
                $"{direction}-lower-priority-number-wins",
                "of two matching policies the one with the lower number decides, whatever their names",
                direction,
                [
                    Cluster(tier, 20, direction, "a-later", ("Deny", Everything, null)),
                    Cluster(tier, 10, direction, "z-earlier", ("Accept", EastPods, null)),
                ],
                (_, peer) => !peer.IsPod || peer.Area == "east");
            yield return Of(
                tier,
                $"{direction}-equal-priority-by-name",
                "of two policies with one priority the one whose name sorts first decides",
                direction,
                [
                    Cluster(tier, 10, direction, "b", ("Deny", Everything, null)),
                    Cluster(tier, 10, direction, "a", ("Accept", EastPods, null)),
                ],
                (_, peer) => !peer.IsPod || peer.Area == "east");
            yield return Of(
                tier,
                $"{direction}-pass-skips-rest-of-tier",
                "what Pass matches is not denied by a later rule of the same tier",
                direction,
                [
                    Cluster(tier, 10, direction, "first", ("Pass", EastPods, null)),
                    Cluster(tier, 20, direction, "second", ("Deny", Everything, null)),
                ],
                (_, peer) => !peer.IsPod || peer.Area == "east");
            yield return Of(
                tier,
                $"{direction}-priority-zero-before-thousand",
                "priorities 0 and 1000 are the ends of the order",
                direction,
                [
                    Cluster(tier, 1000, direction, "last", ("Deny", Everything, null)),
                    Cluster(tier, 0, direction, "first", ("Accept", EastPods, null)),
                ],
                (_, peer) => !peer.IsPod || peer.Area == "east");
        }
    }

    private static IEnumerable<Case> AcrossTiers()
    {
        foreach (var direction in Directions)
        {
            var type = Type(direction);
            var deny = NetworkPolicy("deny", "north", "{ matchLabels: { color: red } }", $"  policyTypes: [{type}]");
            var allow = NetworkPolicy("allow", "north", "{ matchLabels: { color: red } }", $"  policyTypes: [{type}]\n  {direction}: [ {{}} ]");
            var adminAccept = Cluster("Admin", 50, direction, "admin", ("Accept", EastPods, null));
            var adminDeny = Cluster("Admin", 50, direction, "admin", ("Deny", EastPods, null));
            var adminPass = Cluster("Admin", 50, direction, "admin", ("Pass", EastPods, null), ("Deny", Everything, null));
            var baselineDeny = Cluster("Baseline", 50, direction, "baseline", ("Deny", Everything, null));
            var baselineAccept = Cluster("Baseline", 50, direction, "baseline", ("Accept", Everything, null));

            yield return Across(direction, "admin-accept-over-policy-deny", [adminAccept, deny], (_, peer) => peer.Area == "east");
            yield return Across(direction, "admin-deny-over-policy-allow", [adminDeny, allow], (_, peer) => peer.Area != "east");
            yield return Across(direction, "admin-pass-to-policy-deny", [adminPass, deny], (_, _) => false);
            yield return Across(direction, "admin-pass-to-policy-allow", [adminPass, allow], (_, peer) => !peer.IsPod || peer.Area == "east");
            yield return Across(direction, "admin-pass-to-baseline-deny", [adminPass, baselineDeny], (_, peer) => !peer.IsPod);
            yield return Across(direction, "admin-accept-over-baseline-deny", [adminAccept, baselineDeny], (_, peer) => !peer.IsPod || peer.Area == "east");
            yield return Across(direction, "policy-allow-over-baseline-deny", [allow, baselineDeny], (_, _) => true);
            yield return Across(direction, "policy-deny-over-baseline-accept", [deny, baselineAccept], (_, _) => false);
            yield return Across(
                direction,
                "policy-of-other-direction-leaves-baseline",
                [NetworkPolicy("other", "north", "{ matchLabels: { color: red } }", direction == "ingress" ? "  policyTypes: [Egress]\n  egress: [ {} ]" : "  policyTypes: [Ingress]\n  ingress: [ {} ]"), baselineDeny],
                (_, peer) => !peer.IsPod);
            yield return Across(direction, "baseline-pass-is-open", [Cluster("Baseline", 50, direction, "baseline", ("Pass", EastPods, null), ("Deny", Everything, null))], (_, peer) => !peer.IsPod || peer.Area == "east");
        }

        yield return Across(
            "egress",
            "deny-every-network-denies-pods",
            [Cluster("Admin", 50, "egress", "admin", ("Deny", AllNetworks, null))],
            (_, _) => false);
    }

    private static IEnumerable<Case> Subjects()
    {
        foreach (var (tier, direction) in TiersAndDirections())
        {
            var body = $"  {direction}: [ {{ action: Deny, {PeerField(direction)}: [ {Everything} ] }} ]";
            yield return new Case(
                Group(tier),
                $"{direction}-subject-namespaces",
                "the subject is every pod of the selected namespaces",
                new Step(
                    [ClusterPolicy("subject", tier, 5, $"  subject: {{ namespaces: {{ matchLabels: {{ area: north }} }} }}\n{body}")],
                    flow => Ends(flow, direction) is not ({ Area: "north" }, { IsPod: true })));
            yield return new Case(
                Group(tier),
                $"{direction}-subject-nobody",
                "a subject that selects nobody changes nothing",
                new Step(
                    [ClusterPolicy("subject", tier, 5, $"  subject: {{ namespaces: {{ matchLabels: {{ area: nowhere }} }} }}\n{body}")],
                    _ => true));
            yield return new Case(
                Group(tier),
                $"{direction}-without-rules",
                "a policy without rules changes nothing",
                new Step([ClusterPolicy("subject", tier, 5, Subject)], _ => true));
        }
    }

    private static string Cluster(string tier, int priority, string direction, params (string Action, string Peers, string? Protocols)[] rules) =>
        Cluster(tier, priority, direction, "subject", rules);

    private static string Cluster(string tier, int priority, string direction, string name, params (string Action, string Peers, string? Protocols)[] rules)
    {
        var lines = rules.Select(rule =>
            $"  - action: {rule.Action}\n    {PeerField(direction)}: [ {rule.Peers} ]" + (rule.Protocols is null ? string.Empty : $"\n    protocols: [ {rule.Protocols} ]"));
        return ClusterPolicy(name, tier, priority, $"{Subject}\n  {direction}:\n{string.Join('\n', lines)}");
    }

    private static Case Of(string tier, string name, string proves, string direction, string[] policies, Func<Flow, Actor, bool> allowed) => new(
        Group(tier),
        name,
        proves,
        new Step(
            policies,
            flow =>
            {
                var (subject, peer) = Ends(flow, direction);
                return !Is(subject, "north/red") || allowed(flow, peer);
            }));

    private static Case Across(string direction, string name, string[] policies, Func<Flow, Actor, bool> allowed) =>
        Of("Across", $"{direction}-{name}", "tiers decide in order: Admin, NetworkPolicy where it isolates, Baseline", direction, policies, allowed);

    private static string Group(string tier) => $"cluster-{tier.ToLowerInvariant()}";

    private static IEnumerable<(string Tier, string Direction)> TiersAndDirections() =>
        Tiers.SelectMany(tier => Directions.Select(direction => (tier, direction)));
}
