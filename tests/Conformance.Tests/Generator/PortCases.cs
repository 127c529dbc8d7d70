using static Portcullis.Conformance.Generator.Policies;

namespace Portcullis.Conformance.Generator;

/// <summary>Which protocols and ports a rule covers: protocol times number, name, range, and their combinations.</summary>
internal static class PortCases
{
    private static readonly string?[] Protocols = [null, "TCP", "UDP", "SCTP"];

    public static IEnumerable<Case> All()
    {
        foreach (var direction in new[] { "ingress", "egress" })
        {
            foreach (var protocol in Protocols)
            {
                var transport = protocol ?? "TCP";
                var suffix = transport.ToLowerInvariant();
                var label = protocol is null ? "default-protocol" : suffix;
                (string Name, string? Fields, Func<int, bool> Covers)[] ports =
                [
                    ("every-port", null, _ => true),
                    ("number", "port: 80", port => port == 80),
                    ("other-number", "port: 81", port => port == 81),
                    ("unserved-number", "port: 7777", port => port == 7777),
                    ("name", $"port: port-81-{suffix}", port => port == 81),
                    ("unserved-name", "port: nobody-serves", _ => false),
                    ("range", "port: 79, endPort: 80", port => port is 79 or 80),
                    ("range-of-one", "port: 81, endPort: 81", port => port == 81),
                ];
                foreach (var (name, fields, covers) in ports)
                {
                    // A rule entry without any field would be the port of no protocol at all; protocol absent and port absent is TCP.
                    var entry = string.Join(", ", new[] { protocol is null ? null : $"protocol: {protocol}", fields }.Where(part => part is not null));
                    yield return Of($"{direction}-{label}-{name}", direction, $"{{ {entry} }}", flow => flow.Protocol == transport && covers(flow.Port));
                }
            }

            yield return Of($"{direction}-name-of-other-protocol", direction, "{ protocol: UDP, port: port-80-tcp }", _ => false);
            yield return Of(
                $"{direction}-two-protocols-one-number",
                direction,
                "{ protocol: TCP, port: 80 }, { protocol: UDP, port: 80 }",
                flow => flow is { Protocol: "TCP" or "UDP", Port: 80 });
            yield return Of(
                $"{direction}-number-and-name",
                direction,
                "{ port: 80 }, { protocol: SCTP, port: port-81-sctp }",
                flow => flow is { Protocol: "TCP", Port: 80 } or { Protocol: "SCTP", Port: 81 });
        }
    }

    private static Case Of(string name, string direction, string ports, Func<Flow, bool> covers) => new(
        "ports",
        name,
        $"north/red is isolated for {direction}; from every peer exactly the ports [ {ports} ] pass",
        new Step(
            [OneRule("subject", direction, $"{{ ports: [ {ports} ] }}")],
            flow => !Is(Ends(flow, direction).Subject, "north/red") || (covers(flow) && Named(ports, flow))));

    // A name on egress is looked up in the destination pod; a stranger serves none.
    private static bool Named(string ports, Flow flow) =>
        flow.To.IsPod || !ports.Contains("port-", StringComparison.Ordinal) || (flow is { Protocol: "TCP", Port: 80 } && ports.Contains("port: 80", StringComparison.Ordinal));
}
