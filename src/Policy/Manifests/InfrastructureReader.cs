using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Reads v1 Namespace, Node and Service and discovery.k8s.io/v1 EndpointSlice.</summary>
/// <remarks>
/// A rejected Namespace or Node stays with the text of its bad labels; it is dropped when its labels are no object. A rejected
/// Service or EndpointSlice is dropped: all it can do is allow.
/// </remarks>
internal static class InfrastructureReader
{
    private static readonly string[] Fields = ["apiVersion", "kind", "metadata", "spec", "status"];
    private static readonly string[] ServiceSpecFields = ["type", "clusterIP", "clusterIPs", "ports", "selector"];
    private static readonly string[] ServicePortFields = ["name", "protocol", "appProtocol", "port", "targetPort", "nodePort"];
    private static readonly string[] SliceFields = ["apiVersion", "kind", "metadata", "addressType", "endpoints", "ports"];
    private static readonly string[] EndpointFields = ["addresses", "conditions", "hostname", "targetRef", "nodeName", "zone", "hints", "deprecatedTopology"];
    private static readonly string[] SlicePortFields = ["name", "protocol", "port", "appProtocol"];

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

    public static EndpointSlice? ReadEndpointSlice(ObjectScope scope)
    {
        if (ObjectMetadata.Read(scope, namespaced: true, Syntax.DnsSubdomain) is not { } metadata || !scope.IsMapping(scope.Root, SliceFields))
        {
            return null;
        }

        if (scope.Root["addressType"] is null)
        {
            scope.Missing(scope.Root, "addressType", "required: IPv4, IPv6 or FQDN");
        }

        var isNames = scope.Choice(scope.Root["addressType"], false, ("IPv4", false), ("IPv6", false), ("FQDN", true));
        var slice = new EndpointSlice
        {
            Name = metadata.Name,
            Namespace = metadata.Namespace,
            Uid = metadata.Uid,
            Position = scope.PositionOf(scope.Root),
            Service = metadata.Labels?.TryGetValue(EndpointSlice.ServiceLabel, out var service) == true ? service : null,
            Addresses = isNames ? [] : scope.Items(scope.Root["endpoints"]).Select(endpoint => ReadEndpoint(scope, endpoint)).OfType<IpAddress>().ToEquatableArray(),
            Ports = scope.Items(scope.Root["ports"]).Select(port => ReadSlicePort(scope, port)).OfType<NamedPort>().ToEquatableArray(),
        };
        return scope.Errors > 0 ? null : slice;
    }

    /// <summary>The address of an endpoint; null when it is not ready.</summary>
    private static IpAddress? ReadEndpoint(ObjectScope scope, ManifestNode node)
    {
        if (!scope.IsMapping(node, EndpointFields))
        {
            return null;
        }

        var addresses = scope.Items(node["addresses"]);
        if (addresses.Count == 0)
        {
            scope.Missing(node, "addresses", "required: at least one address");
            return null;
        }

        var conditions = node["conditions"];
        var isReady = conditions is null
            || (scope.IsMapping(conditions) && scope.Boolean(conditions["ready"]) != false && scope.Boolean(conditions["terminating"]) != true);
        return PortFields.Address(scope, addresses[0]) is { } address && isReady ? address : null;
    }

    /// <summary>A port; null when it has no number, which stands for no port in particular.</summary>
    private static NamedPort? ReadSlicePort(ObjectScope scope, ManifestNode node) =>
        scope.IsMapping(node, SlicePortFields) && scope.Port(node["port"]) is { } port
            ? new NamedPort(scope.String(node["name"]) ?? string.Empty, PortFields.Protocol(scope, node["protocol"]) ?? IpProtocol.Tcp, port)
            : null;

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
        return new ServicePort(PortFields.Protocol(scope, node["protocol"]) ?? IpProtocol.Tcp, port, target ?? port)
        {
            Name = scope.String(node["name"]) is { Length: > 0 } name ? name : null,
        };
    }
}
