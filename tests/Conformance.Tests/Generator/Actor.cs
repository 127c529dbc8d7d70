namespace Portcullis.Conformance.Generator;

/// <summary>Someone who sends or receives: a pod of the generated world, or an address outside it.</summary>
internal sealed record Actor(string Area, string Color, string V4, string V6)
{
    public bool IsPod => Area.Length > 0;

    public string Id => IsPod ? $"{Area}/{Color}" : Color;

    public string Address(string family) => family == "IPv4" ? V4 : V6;
}

/// <summary>One packet question: may <paramref name="From"/> open this flow to <paramref name="To"/>?</summary>
internal sealed record Flow(Actor From, Actor To, string Protocol, int Port, string Family)
{
    public string Source => From.Address(Family);

    public string Destination => To.Address(Family);
}

/// <summary>The world every generated case starts from: three namespaces of three pods each, and two strangers.</summary>
internal static class World
{
    public static readonly string[] Areas = ["north", "east", "west"];
    public static readonly string[] Colors = ["red", "green", "blue"];

    public static readonly Actor[] Pods =
    [
        .. Areas.SelectMany((area, a) => Colors.Select((color, c) => new Actor(area, color, $"10.{a + 1}.0.{c + 1}", $"fd00:{a + 1}::{c + 1}"))),
    ];

    public static readonly Actor[] Strangers =
    [
        new(string.Empty, "near-stranger", "10.9.0.1", "fd00:9::1"),
        new(string.Empty, "far-stranger", "192.0.2.10", "2001:db8::10"),
    ];

    public static readonly Actor[] Everyone = [.. Pods, .. Strangers];

    public static Actor Pod(string id) => Pods.Single(pod => pod.Id == id);

    /// <summary>Every pod serves 80 and 81 over each protocol; the names say number and protocol.</summary>
    public static IEnumerable<string> Manifests() =>
        Areas.Select(Namespace).Concat(Pods.Select(pod => PodManifest(pod, pod.Color)));

    public static string Namespace(string area) => NamespaceManifest(area, area);

    public static string NamespaceManifest(string area, string label) =>
        $$"""
        apiVersion: v1
        kind: Namespace
        metadata: { name: {{area}}, labels: { area: {{label}} } }
        """;

    public static string PodManifest(Actor pod, string colorLabel) =>
        $$"""
        apiVersion: v1
        kind: Pod
        metadata: { namespace: {{pod.Area}}, name: {{pod.Color}}, labels: { color: {{colorLabel}} } }
        spec:
          nodeName: node-1
          containers:
          - name: server
            ports:
            - { name: port-80-tcp, containerPort: 80, protocol: TCP }
            - { name: port-81-tcp, containerPort: 81, protocol: TCP }
            - { name: port-80-udp, containerPort: 80, protocol: UDP }
            - { name: port-81-udp, containerPort: 81, protocol: UDP }
            - { name: port-80-sctp, containerPort: 80, protocol: SCTP }
            - { name: port-81-sctp, containerPort: 81, protocol: SCTP }
        status:
          phase: Running
          podIP: {{pod.V4}}
          podIPs: [ { ip: {{pod.V4}} }, { ip: "{{pod.V6}}" } ]
        """;
}
