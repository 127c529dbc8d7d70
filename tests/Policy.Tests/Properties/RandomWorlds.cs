using CsCheck;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Sources;

namespace Portcullis.Policy.Tests.Properties;

/// <summary>Random resources from small alphabets, so that names, labels, addresses and blocks collide all the time.</summary>
internal static class RandomWorlds
{
    public static readonly IpAddress[] Addresses =
        [.. new[] { "10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "10.1.2.3", "11.0.0.1", "fd00::1", "fd00::2", "fd00:1::1" }.Select(IpAddress.Parse)];

    public static readonly IpAddress[] NodeAddresses =
        [.. new[] { "192.168.0.1", "192.168.0.2", "10.0.0.2", "fe80::1", "fd00::2" }.Select(IpAddress.Parse)];

    public static readonly IpAddress[] ClusterIps = [.. new[] { "10.96.0.1", "10.96.0.2", "fd96::1" }.Select(IpAddress.Parse)];

    public static readonly string[] Namespaces = ["default", "other", "third"];

    private static readonly IpPrefix[] Blocks =
        [.. new[] { "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/7", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "10.0.0.0/31", "10.96.0.0/12", "192.168.0.0/24", "::/0", "fd00::/16", "fd00::/64", "fd00::1/128" }
            .Select(IpPrefix.Parse)];

    private static readonly Gen<string> NamespaceName = Pick(Namespaces);
    private static readonly Gen<string> Key = Pick("app", "tier");
    private static readonly Gen<string> Value = Pick("a", "b");
    private static readonly Gen<IpProtocol> Protocol = Pick(IpProtocol.Tcp, IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp);
    private static readonly Gen<ushort> Port = Pick<ushort>(80, 81, 443, 8080);
    private static readonly Gen<string> PortName = Pick("http", "dns");
    private static readonly Gen<string?> NodeName = Pick<string?>(null, "n1", "n2");
    private static readonly Gen<IpPrefix> Block = Pick(Blocks);

    private static readonly Gen<LabelSet> Labels =
        Gen.Select(Key, Value).Array[0, 2].Select(pairs => LabelSet.Of(pairs));

    private static readonly Gen<LabelRequirement> Requirement =
        Gen.Select(
            Gen.Frequency((4, Pick("app", "tier")), (1, Pick(Namespace.NameLabel))),
            Gen.Enum<LabelOperator>(),
            Pick("a", "b", "default", "other").Array[1, 2],
            (key, operation, values) => new LabelRequirement(
                key, operation, operation is LabelOperator.In or LabelOperator.NotIn ? values.ToEquatableArray() : []));

    private static readonly Gen<LabelSelector> Selector =
        Requirement.Array[0, 2].Select(requirements => new LabelSelector(requirements.ToEquatableArray()));

    private static readonly Gen<Workload> Workload =
        from ns in NamespaceName
        from name in Pick("a", "b", "c", "d")
        from labels in Labels
        from addresses in Pick(Addresses).Array[0, 2]
        from ports in Gen.Select(PortName, Protocol, Port, (portName, protocol, port) => new NamedPort(portName, protocol, port)).Array[0, 3]
        from node in NodeName
        from flags in Gen.Int[0, 15]
        from created in Gen.Int[0, 3]
        select new Workload
        {
            Namespace = ns,
            Name = name,
            Labels = labels,
            Addresses = addresses.ToEquatableArray(),
            Ports = ports.ToEquatableArray(),
            NodeName = node,
            HostNetwork = flags == 1,
            Finished = flags == 2,
            Ready = flags != 3,
            Side = flags == 4 ? InterfaceSide.Self : InterfaceSide.Peer,
            Interface = flags == 5 ? "eth7" : null,
            CreatedAt = created == 0 ? null : DateTimeOffset.UnixEpoch.AddSeconds(created),
        };

    private static readonly Gen<NetworkPolicyPort> PolicyPort =
        from protocol in Protocol
        from port in Gen.OneOf(
            Pick<PortReference?>([null]),
            Port.Select(number => (PortReference?)number),
            PortName.Select(name => (PortReference?)name))
        from span in Pick<ushort?>(null, null, 0, 2)
        select new NetworkPolicyPort(protocol, port, port?.Number is { } first && span is { } more ? (ushort)(first + more) : null);

    private static readonly Gen<NetworkPolicyPeer> Peer = Gen.Frequency(
        (3, Gen.Select(Selector.Null(), Selector.Null(), (pods, namespaces) =>
            new NetworkPolicyPeer(pods ?? (namespaces is null ? LabelSelector.Everything : null), namespaces, null))),
        (1, Gen.Select(Block, Block.Array[0, 3], (cidr, except) =>
            new NetworkPolicyPeer(null, null, new IpBlock(cidr, except.ToEquatableArray())))));

    private static readonly Gen<NetworkPolicyRule> Rule = Gen.Select(
        Peer.Array[0, 2], PolicyPort.Array[0, 2], (peers, ports) => new NetworkPolicyRule(peers.ToEquatableArray(), ports.ToEquatableArray()));

    private static readonly Gen<NetworkPolicy> Policy =
        from ns in NamespaceName
        from name in Pick("p", "q")
        from pods in Selector
        from types in Gen.Int[0, 3]
        from ingress in Rule.Array[0, 2]
        from egress in Rule.Array[0, 2]
        from mode in Gen.Int[0, 7]
        from line in Gen.Int[0, 1]
        select new NetworkPolicy
        {
            Namespace = ns,
            Name = name,
            PodSelector = pods,
            Types = (PolicyTypes)types,
            Ingress = ingress.ToEquatableArray(),
            Egress = egress.ToEquatableArray(),
            Audit = mode == 0,
            Position = new SourcePosition("policy.yaml", line),
        };

    private static readonly Gen<ClusterPolicySubject> Subject =
        Gen.Select(Selector, Selector.Null(), (namespaces, pods) => new ClusterPolicySubject(namespaces, pods));

    private static readonly Gen<ClusterPolicyPeer> PodsPeer = Subject.Select(pods => new ClusterPolicyPeer(Pods: pods));

    private static readonly Gen<ClusterPolicyPeer> EgressPeer = Gen.Frequency(
        (4, PodsPeer),
        (2, Selector.Select(nodes => new ClusterPolicyPeer(Nodes: nodes))),
        (3, Block.Array[0, 2].Select(networks => new ClusterPolicyPeer(Networks: networks.ToEquatableArray()))),
        (1, Pick(new ClusterPolicyPeer(DomainNames: ["example.org"]))),
        (1, Pick(new ClusterPolicyPeer())));

    private static readonly Gen<ClusterPolicyPort> ClusterPort = Gen.Frequency(
        (2, Protocol.Select(protocol => new ClusterPolicyPort(protocol))),
        (3, Gen.Select(Protocol, Port, Gen.UShort[0, 2], (protocol, port, more) => new ClusterPolicyPort(protocol, port, (ushort)(port + more)))),
        (2, PortName.Select(name => new ClusterPolicyPort(null, NamedPort: name))));

    private static readonly Gen<ClusterNetworkPolicy> ClusterPolicy =
        from name in Pick("x", "y", "z")
        from tier in Gen.Enum<PolicyTier>()
        from priority in Gen.Int[0, 1]
        from subject in Subject
        from ingress in ClusterRule(PodsPeer).Array[0, 3]
        from egress in ClusterRule(EgressPeer).Array[0, 3]
        from mode in Gen.Int[0, 7]
        from closed in Gen.Int[0, 15]
        let defect = closed == 0 ? "spec.priority: unreadable" : null
        select new ClusterNetworkPolicy
        {
            Name = name,
            Tier = tier,
            Priority = priority,
            Subject = subject,
            Ingress = Close(defect, ingress),
            Egress = Close(defect, egress),
            Audit = mode == 0,
            Defect = defect,
        };

    private static readonly Gen<Namespace> NamespaceObject =
        Gen.Select(NamespaceName, Labels, (name, labels) => new Namespace { Name = name, Labels = labels });

    private static readonly Gen<Node> NodeObject =
        Gen.Select(Pick("n1", "n2"), Labels, Pick(NodeAddresses).Array[0, 3], (name, labels, addresses) =>
            new Node { Name = name, Labels = labels, Addresses = addresses.ToEquatableArray() });

    private static readonly Gen<Service> ServiceObject =
        from ns in NamespaceName
        from name in Pick("s", "t")
        from ips in Pick(ClusterIps).Array[0, 2]
        from ports in Gen.Select(
            Protocol,
            Port,
            Gen.OneOf(Port.Select(number => (PortReference)number), PortName.Select(portName => (PortReference)portName)),
            PortName.Null(),
            (protocol, port, target, portName) => new ServicePort(protocol, port, target) { Name = portName }).Array[0, 2]
        from selector in Labels.Null()
        select new Service
        {
            Namespace = ns,
            Name = name,
            ClusterIps = ips.ToEquatableArray(),
            Ports = ports.ToEquatableArray(),
            Selector = selector,
        };

    private static readonly Gen<EndpointSlice> Slice =
        from ns in NamespaceName
        from name in Pick("e", "f")
        from service in Pick<string?>(null, "s", "s", "t")
        from addresses in Pick([.. Addresses, .. NodeAddresses]).Array[0, 3]
        from ports in Gen.Select(Pick("", "http", "dns"), Protocol, Port, (portName, protocol, port) => new NamedPort(portName, protocol, port)).Array[0, 3]
        select new EndpointSlice
        {
            Namespace = ns,
            Name = name,
            Service = service,
            Addresses = addresses.ToEquatableArray(),
            Ports = ports.ToEquatableArray(),
        };

    private static readonly Gen<Resource> AnyResource = Gen.Frequency(
        (8, Workload.Select(item => (Resource)item)),
        (5, Policy.Select(item => (Resource)item)),
        (3, ClusterPolicy.Select(item => (Resource)item)),
        (2, NamespaceObject.Select(item => (Resource)item)),
        (1, NodeObject.Select(item => (Resource)item)),
        (3, ServiceObject.Select(item => (Resource)item)),
        (3, Slice.Select(item => (Resource)item)));

    /// <summary>One change: most often an upsert.</summary>
    public static readonly Gen<ResourceChange> Change = Gen.Select(AnyResource, Gen.Int[0, 4], (resource, kind) =>
        kind == 0 ? ResourceChange.Delete(resource.Key) : ResourceChange.Upsert(resource));

    /// <summary>A world of a couple of dozen objects.</summary>
    public static readonly Gen<Resource[]> World = AnyResource.Array[4, 26];

    public static readonly Gen<PolicyOptions> Options = Gen.Select(
        Pick<string?>(null, "n1"),
        Pick(NodeAddresses).Array[0, 1],
        Gen.Frequency((6, Pick(EnforcementMode.Standard)), (1, Pick(EnforcementMode.Strict)), (1, Pick(EnforcementMode.Audit))),
        (name, addresses, mode) => new PolicyOptions { NodeName = name, NodeAddresses = addresses.ToEquatableArray(), Mode = mode });

    private static EquatableArray<ClusterPolicyRule> Close(string? defect, ClusterPolicyRule[] rules) =>
        defect is null || rules.Length == 0 ? rules.ToEquatableArray() : [new ClusterPolicyRule(null, RuleAction.Deny, [], null, defect)];

    private static Gen<T> Pick<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(index => values[index]);

    private static Gen<ClusterPolicyRule> ClusterRule(Gen<ClusterPolicyPeer> peer) =>
        from action in Gen.Enum<RuleAction>()
        from peers in Gen.Frequency((9, peer.Array[1, 2]), (1, Pick<ClusterPolicyPeer[]>([[]])))
        from ports in Gen.Frequency((3, Pick<ClusterPolicyPort[]?>([null])), (4, ClusterPort.Array[0, 2].Select(ports => (ClusterPolicyPort[]?)ports)))
        from defect in Gen.Int[0, 15]
        select new ClusterPolicyRule(null, action, peers.ToEquatableArray(), ports?.ToEquatableArray(), defect == 0 ? "unknown peer" : null);
}
