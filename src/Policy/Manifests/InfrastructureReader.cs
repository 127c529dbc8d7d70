using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Reads v1 Namespace, Node and Service.</summary>
/// <remarks>
/// A rejected Namespace or Node stays with the text of its bad labels; it is dropped when its labels are no object. A rejected
/// Service is dropped: all it can do is allow.
/// </remarks>
internal static class InfrastructureReader
{
    private static readonly string[] Fields = ["apiVersion", "kind", "metadata", "spec", "status"];
    private static readonly string[] ServiceSpecFields = ["type", "clusterIP", "clusterIPs", "ports", "selector"];
    private static readonly string[] ServicePortFields = ["name", "protocol", "appProtocol", "port", "targetPort", "nodePort"];

    public static Namespace? ReadNamespace(ObjectScope scope)
    {
        if (ObjectMetadata.Read(scope, namespaced: false, Syntax.DnsLabel) is not { Labels: { } labels } metadata)
        {
            return null;
        }

        scope.IsMapping(scope.Root, Fields);
        return new Namespace { Name = metadata.Name, Uid = metadata.Uid, Position = scope.PositionOf(scope.Root), Labels = labels };
    }

    public static Node? ReadNode(ObjectScope scope)
    {
        if (ObjectMetadata.Read(scope, namespaced: false, Syntax.DnsSubdomain) is not { Labels: { } labels } metadata)
        {
            return null;
        }

        scope.IsMapping(scope.Root, Fields);
        var addresses = new List<IpAddress>();
        if (scope.Root["status"] is { } status && scope.IsMapping(status))
        {
            foreach (var item in scope.Items(status["addresses"]))
            {
                // The list holds names too, and some clusters give a Hostname that is an address; upstream matches every one.
                if (scope.IsMapping(item)
                    && IpAddress.TryParse(scope.String(item["address"]), out var address)
                    && !addresses.Contains(address))
                {
                    addresses.Add(address);
                }
            }
        }

        return new Node
        {
            Name = metadata.Name,
            Uid = metadata.Uid,
            Position = scope.PositionOf(scope.Root),
            Labels = labels,
            Addresses = addresses.ToEquatableArray(),
        };
    }

    public static Service? ReadService(ObjectScope scope)
    {
        if (ObjectMetadata.Read(scope, namespaced: true, Syntax.DnsLabel) is not { } metadata)
        {
            return null;
        }

        scope.IsMapping(scope.Root, Fields);
        var spec = scope.Root["spec"];
        if (spec is not null && !scope.IsOpenMapping(spec, ServiceSpecFields))
        {
            return null;
        }

        var external = scope.Choice(
            spec?["type"], false, ("ClusterIP", false), ("NodePort", false), ("LoadBalancer", false), ("ExternalName", true));
        var selector = ObjectMetadata.ReadLabels(scope, spec?["selector"]);
        var service = new Service
        {
            Name = metadata.Name,
            Namespace = metadata.Namespace,
            Uid = metadata.Uid,
            Position = scope.PositionOf(scope.Root),
            ClusterIps = external ? [] : ReadClusterIps(scope, spec),
            Ports = scope.Items(spec?["ports"]).Select(port => ReadPort(scope, port)).ToEquatableArray(),
            Selector = selector is { Count: > 0 } ? selector : null,
        };
        return scope.Errors > 0 ? null : service;
    }

    private static EquatableArray<IpAddress> ReadClusterIps(ObjectScope scope, ManifestNode? spec)
    {
        var nodes = scope.Items(spec?["clusterIPs"]).ToList();
        if (spec?["clusterIP"] is { } single)
        {
            nodes.Insert(0, single);
        }

        return nodes
            .Where(node => node is not { Kind: NodeKind.String, Text: "" or "None" })
            .Select(node => PortFields.Address(scope, node))
            .OfType<IpAddress>()
            .Distinct()
            .ToEquatableArray();
    }

    private static ServicePort ReadPort(ObjectScope scope, ManifestNode node)
    {
        if (!scope.IsMapping(node, ServicePortFields))
        {
            return default;
        }

        if (node["port"] is null)
        {
            scope.Missing(node, "port", "required: 1 to 65535");
        }

        var port = scope.Port(node["port"]) ?? 0;

        // 0 and "" stand for an absent target port in the API.
        var target = node["targetPort"] is { Text: "" or "0" } ? null : PortFields.NumberOrName(scope, node["targetPort"]);
        return new ServicePort(PortFields.Protocol(scope, node["protocol"]) ?? IpProtocol.Tcp, port, target ?? port);
    }
}
