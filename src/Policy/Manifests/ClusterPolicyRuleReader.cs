using System.Text.RegularExpressions;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Reads one rule of a ClusterNetworkPolicy. Any error in it is the rule's defect: it fails closed as a whole.</summary>
internal static partial class ClusterPolicyRuleReader
{
    private const int MaxItems = 25;
    private const int MaxName = 100;
    private const int MaxCidr = 43;

    private static readonly string[] IngressFields = ["name", "action", "from", "protocols"];
    private static readonly string[] EgressFields = ["name", "action", "to", "protocols"];
    private static readonly string[] IngressPeerFields = ["namespaces", "pods"];
    private static readonly string[] EgressPeerFields = ["namespaces", "pods", "nodes", "networks", "domainNames"];
    private static readonly string[] ProtocolFields = ["tcp", "udp", "sctp", "destinationNamedPort"];

    public static ClusterPolicyRule Read(ObjectScope scope, ManifestNode node, Direction direction)
    {
        var mark = scope.Mark();
        var (fields, peersField, peerFields) = direction == Direction.Ingress
            ? (IngressFields, "from", IngressPeerFields)
            : (EgressFields, "to", EgressPeerFields);
        if (!scope.IsMapping(node, fields))
        {
            return new ClusterPolicyRule(null, RuleAction.Deny, [], null, scope.DefectSince(mark), scope.PositionOf(node));
        }

        var name = ReadName(scope, node["name"]);
        var action = ReadAction(scope, node);
        var peers = BoundedItems(scope, node, peersField, required: true).Select(peer => ReadPeer(scope, peer, peerFields)).ToEquatableArray();
        var ports = node.Has("protocols")
            ? BoundedItems(scope, node, "protocols", required: false).Select(protocol => ReadProtocol(scope, protocol)).ToEquatableArray()
            : (EquatableArray<ClusterPolicyPort>?)null;
        CheckTogether(scope, node, action, peers, ports);
        return new ClusterPolicyRule(
            name, action, peers, ports, scope.DefectSince(mark) ?? NamesDefect(scope, node, peers), scope.PositionOf(node));
    }

    /// <summary>Domain names are valid but not resolved, so their rule fails closed.</summary>
    private static string? NamesDefect(ObjectScope scope, ManifestNode node, EquatableArray<ClusterPolicyPeer> peers)
    {
        if (!peers.Any(peer => peer.DomainNames is not null))
        {
            return null;
        }

        const string Message = "domainNames are not enforced yet: this rule accepts nothing";
        scope.Report(FindingSeverity.Warning, node, Message);
        return Message;
    }

    private static string? ReadName(ObjectScope scope, ManifestNode? node)
    {
        var name = scope.String(node);
        if (name?.Length > MaxName)
        {
            scope.Error(node!, $"is longer than {MaxName} characters");
        }

        return name;
    }

    private static RuleAction ReadAction(ObjectScope scope, ManifestNode node)
    {
        if (node["action"] is not { } action)
        {
            scope.Missing(node, "action", "required: Accept, Deny or Pass");
            return RuleAction.Deny;
        }

        return scope.Choice(
            action, RuleAction.Deny, ("Accept", RuleAction.Accept), ("Deny", RuleAction.Deny), ("Pass", RuleAction.Pass));
    }

    private static IReadOnlyList<ManifestNode> BoundedItems(ObjectScope scope, ManifestNode rule, string field, bool required)
    {
        var node = rule[field];
        var items = scope.Items(node);
        if (node is null ? required || rule.Has(field) : node is { Kind: NodeKind.Sequence, Items.Count: 0 })
        {
            scope.Missing(rule, field, "must have at least one entry; the rule fails closed");
        }
        else if (items.Count > MaxItems)
        {
            scope.Error(node!, $"has {items.Count} entries; at most {MaxItems} are allowed");
        }

        return items;
    }

    private static ClusterPolicyPeer ReadPeer(ObjectScope scope, ManifestNode node, string[] fields)
    {
        if (!scope.IsMapping(node, fields))
        {
            return new ClusterPolicyPeer();
        }

        if (fields.Count(field => node[field] is not null) != 1)
        {
            scope.Error(node, $"must have exactly one of {string.Join(", ", fields)}; the rule fails closed");
            return new ClusterPolicyPeer();
        }

        if (node["nodes"] is { } nodes)
        {
            return new ClusterPolicyPeer(Nodes: SelectorReader.Read(scope, nodes));
        }

        if (node["networks"] is not null)
        {
            return new ClusterPolicyPeer(Networks: ReadNetworks(scope, node));
        }

        return node["domainNames"] is null
            ? new ClusterPolicyPeer(Pods: ClusterNetworkPolicyReader.ReadPods(scope, node))
            : new ClusterPolicyPeer(DomainNames: ReadDomainNames(scope, node));
    }

    private static EquatableArray<IpPrefix> ReadNetworks(ObjectScope scope, ManifestNode peer)
    {
        var networks = new List<IpPrefix>();
        foreach (var item in UniqueItems(scope, peer, "networks"))
        {
            if (item is { Kind: NodeKind.String, Text.Length: > MaxCidr })
            {
                scope.Error(item, $"is longer than {MaxCidr} characters");
            }
            else if (item.Kind == NodeKind.Null)
            {
                scope.Error(item, "must be an address block, not null");
            }
            else if (PortFields.Cidr(scope, item) is { } network)
            {
                networks.Add(network);
            }
        }

        return networks.ToEquatableArray();
    }

    private static EquatableArray<string> ReadDomainNames(ObjectScope scope, ManifestNode peer)
    {
        var names = new List<string>();
        foreach (var item in UniqueItems(scope, peer, "domainNames"))
        {
            if (item.Kind == NodeKind.Null || (item.Kind == NodeKind.String && !DomainNamePattern().IsMatch(item.Text)))
            {
                scope.Error(item, $"{Text.Quote(item.Text)} is no domain name, like example.com or *.example.com");
            }
            else if (scope.String(item) is { } name)
            {
                names.Add(name);
            }
        }

        return names.ToEquatableArray();
    }

    private static IReadOnlyList<ManifestNode> UniqueItems(ObjectScope scope, ManifestNode peer, string field)
    {
        var items = BoundedItems(scope, peer, field, required: true);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var item in items)
        {
            if (item.Kind == NodeKind.String && !seen.Add(item.Text))
            {
                scope.Error(item, $"{Text.Quote(item.Text)} is given twice; remove one");
            }
        }

        return items;
    }

    private static ClusterPolicyPort ReadProtocol(ObjectScope scope, ManifestNode node)
    {
        var unreadable = new ClusterPolicyPort(IpProtocol.Tcp);
        if (!scope.IsMapping(node, ProtocolFields))
        {
            return unreadable;
        }

        if (ProtocolFields.Count(field => node[field] is not null) != 1)
        {
            scope.Error(node, $"must have exactly one of {string.Join(", ", ProtocolFields)}; the rule fails closed");
            return unreadable;
        }

        if (node["destinationNamedPort"] is { } named)
        {
            return ReadNamedPort(scope, named);
        }

        return (node["tcp"], node["udp"]) switch
        {
            ({ } tcp, _) => ReadDestination(scope, tcp, IpProtocol.Tcp),
            (_, { } udp) => ReadDestination(scope, udp, IpProtocol.Udp),
            _ => ReadDestination(scope, node["sctp"]!, IpProtocol.Sctp),
        };
    }

    private static ClusterPolicyPort ReadNamedPort(ObjectScope scope, ManifestNode node)
    {
        var name = scope.String(node);
        if (name is not null && Syntax.PortName(name) is { } fault)
        {
            // The CRD takes any text, but an empty one is an empty protocol.
            if (name.Length == 0)
            {
                scope.Error(node, fault);
            }
            else
            {
                scope.Report(FindingSeverity.Warning, node, $"{fault}; no pod can serve it");
            }
        }

        return new ClusterPolicyPort(null, NamedPort: name ?? string.Empty);
    }

    private static ClusterPolicyPort ReadDestination(ObjectScope scope, ManifestNode node, IpProtocol protocol)
    {
        if (!scope.IsMapping(node, ["destinationPort"]))
        {
            return new ClusterPolicyPort(protocol);
        }

        if (node["destinationPort"] is not { } port)
        {
            scope.Missing(node, "destinationPort", "required; the rule fails closed");
            return new ClusterPolicyPort(protocol);
        }

        if (!scope.IsMapping(port, ["number", "range"]))
        {
            return new ClusterPolicyPort(protocol);
        }

        if (port["number"] is null == port["range"] is null)
        {
            scope.Error(port, "must have either number or range");
        }

        if (port["range"] is { } range)
        {
            return ReadRange(scope, range, protocol);
        }

        var number = scope.Port(port["number"]);
        return new ClusterPolicyPort(protocol, number, number);
    }

    private static ClusterPolicyPort ReadRange(ObjectScope scope, ManifestNode node, IpProtocol protocol)
    {
        if (!scope.IsMapping(node, ["start", "end"]))
        {
            return new ClusterPolicyPort(protocol);
        }

        foreach (var field in new[] { "start", "end" })
        {
            if (node[field] is null)
            {
                scope.Missing(node, field, "required: 1 to 65535");
            }
        }

        var (start, end) = (scope.Port(node["start"]), scope.Port(node["end"]));
        if (start >= end)
        {
            scope.Error(node, $"start {start} must be less than end {end}");
        }

        return new ClusterPolicyPort(protocol, start, end);
    }

    private static void CheckTogether(
        ObjectScope scope, ManifestNode node, RuleAction action, EquatableArray<ClusterPolicyPeer> peers, EquatableArray<ClusterPolicyPort>? ports)
    {
        if (action != RuleAction.Accept && peers.Any(peer => peer.DomainNames is not null))
        {
            scope.Error(node, "domainNames may only stand in Accept rules");
        }

        var named = ports is { } written && written.Any(port => port.NamedPort is not null);
        if (named && peers.Any(peer => peer.Networks is not null || peer.Nodes is not null || peer.DomainNames is not null))
        {
            scope.Error(node, "networks, nodes and domainNames have no named ports; give destinationNamedPort a rule of its own, or a number");
        }
    }

    [GeneratedRegex(
        @"^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?\z",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex DomainNamePattern();
}
