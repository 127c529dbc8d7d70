using static Portcullis.Conformance.Generator.Policies;

namespace Portcullis.Conformance.Generator;

/// <summary>Who a rule's peers are: pod selectors times namespace selectors, and address blocks, in both directions.</summary>
internal static class PeerCases
{
    private static readonly (string Name, string Yaml, Func<Flow, string, bool> Contains)[] Blocks =
    [
        ("all", "{ cidr: 0.0.0.0/0 }", (flow, _) => flow.Family == "IPv4"),
        ("network-of-pods", "{ cidr: 10.2.0.0/24 }", (_, address) => address.StartsWith("10.2.0.", StringComparison.Ordinal)),
        ("one-pod", "{ cidr: 10.2.0.2/32 }", (_, address) => address == "10.2.0.2"),
        ("all-but-network", "{ cidr: 0.0.0.0/0, except: [10.2.0.0/24] }",
            (flow, address) => flow.Family == "IPv4" && !address.StartsWith("10.2.", StringComparison.Ordinal)),
        ("network-but-pod", "{ cidr: 10.0.0.0/8, except: [10.2.0.2/32, 10.3.0.0/16] }",
            (_, address) => address is "10.9.0.1" or "10.2.0.1" or "10.2.0.3" || address.StartsWith("10.1.", StringComparison.Ordinal)),
        ("nested-excepts", "{ cidr: 10.0.0.0/8, except: [10.2.0.0/16, 10.2.0.0/24] }",
            (_, address) => address.StartsWith("10.", StringComparison.Ordinal) && !address.StartsWith("10.2.", StringComparison.Ordinal)),
        ("nobody", "{ cidr: 203.0.113.0/24 }", (_, _) => false),
        ("ipv6-all-but-network", "{ cidr: \"::/0\", except: [\"fd00:2::/32\"] }",
            (flow, address) => flow.Family == "IPv6" && !address.StartsWith("fd00:2::", StringComparison.Ordinal)),
    ];

    public static IEnumerable<Case> All()
    {
        foreach (var direction in new[] { "ingress", "egress" })
        {
            foreach (var pods in PodSelectors)
            {
                foreach (var namespaces in NamespaceSelectors.Where(choice => pods.Yaml is not null || choice.Yaml is not null))
                {
                    yield return Selectors(direction, pods, namespaces);
                }
            }

            foreach (var block in Blocks)
            {
                yield return Of($"{direction}-block-{block.Name}", direction, $"{{ ipBlock: {block.Yaml} }}", (flow, peer) => block.Contains(flow, peer.Address(flow.Family)));
            }

            yield return Of(
                $"{direction}-two-peers-are-or",
                direction,
                "{ podSelector: { matchLabels: { color: blue } } }, { namespaceSelector: { matchLabels: { area: west } } }",
                (_, peer) => peer is { Area: "north", Color: "blue" } or { Area: "west" });
        }
    }

    private static Case Selectors(string direction, Choice<Actor> pods, Choice<Actor> namespaces)
    {
        string?[] fields =
        [
            pods.Yaml is null ? null : $"podSelector: {pods.Yaml}",
            namespaces.Yaml is null ? null : $"namespaceSelector: {namespaces.Yaml}",
        ];
        return Of(
            $"{direction}-{pods.Name}-{namespaces.Name}",
            direction,
            $"{{ {string.Join(", ", fields.Where(field => field is not null))} }}",
            (_, peer) => peer.IsPod && pods.Matches(peer) && namespaces.Matches(peer));
    }

    private static Case Of(string name, string direction, string peers, Func<Flow, Actor, bool> matches) => new(
        "peers",
        name,
        $"north/red is isolated for {direction}; exactly the peers [ {peers} ] pass",
        new Step(
            [OneRule("subject", direction, $"{{ {PeerField(direction)}: [ {peers} ] }}")],
            flow =>
            {
                var (subject, peer) = Ends(flow, direction);
                return !Is(subject, "north/red") || matches(flow, peer);
            }));
}
