using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Reads v1 Pod and portcullis.dev/v1alpha1 Workload.</summary>
/// <remarks>
/// A rejected one stays, because one that is left out is policed by nothing: bad labels keep their text, addresses and
/// ports that cannot be read are left out. It is dropped when what decides whether and how it is policed cannot be read:
/// its labels as a whole, hostNetwork, phase, node, interface or side.
/// </remarks>
internal static class WorkloadReader
{
    private const string InterfaceAnnotation = "portcullis.dev/interface";

    private static readonly string[] Fields = ["apiVersion", "kind", "metadata", "spec", "status"];
    private static readonly string[] WorkloadFields = ["apiVersion", "kind", "metadata", "spec"];
    private static readonly string[] WorkloadSpecFields = ["interface", "side", "addresses", "ports"];
    private static readonly string[] WorkloadPortFields = ["name", "port", "protocol"];
    private static readonly string[] PodSpecFields = ["nodeName", "hostNetwork", "containers", "initContainers"];
    private static readonly string[] PodStatusFields = ["phase", "podIP", "podIPs", "hostIP", "hostIPs", "conditions"];

    public static Workload? ReadPod(ObjectScope scope)
    {
        if (ObjectMetadata.Read(scope, namespaced: true, Syntax.DnsSubdomain) is not { Labels: { } labels } metadata)
        {
            return null;
        }

        scope.IsMapping(scope.Root, Fields);
        var spec = scope.Root["spec"];
        var status = scope.Root["status"];
        if ((spec is not null && !scope.IsOpenMapping(spec, PodSpecFields))
            || (status is not null && !scope.IsOpenMapping(status, PodStatusFields)))
        {
            return null;
        }

        var mark = scope.Errors;
        var pod = new Workload
        {
            Name = metadata.Name,
            Namespace = metadata.Namespace,
            Uid = metadata.Uid,
            Position = scope.PositionOf(scope.Root),
            Labels = labels,
            CreatedAt = metadata.CreatedAt,
            NodeName = scope.String(spec?["nodeName"]) is { Length: > 0 } node ? node : null,
            HostNetwork = scope.Boolean(spec?["hostNetwork"]) ?? false,
            Finished = ReadFinished(scope, status),
            Interface = ReadInterface(scope, metadata.Annotation(InterfaceAnnotation)),
        };
        var usable = scope.Errors == mark;
        pod = pod with
        {
            Addresses = ReadPodAddresses(scope, status),
            Ports = ReadContainerPorts(scope, spec),
            Ready = !metadata.Terminating && IsReady(scope, status),
        };
        return usable ? pod : null;
    }

    public static Workload? ReadWorkload(ObjectScope scope)
    {
        if (ObjectMetadata.Read(scope, namespaced: true, Syntax.DnsSubdomain) is not { Labels: { } labels } metadata)
        {
            return null;
        }

        scope.IsMapping(scope.Root, WorkloadFields);
        var spec = scope.Root["spec"];
        if (spec is null)
        {
            scope.Missing(scope.Root, "spec", "required: addresses, and interface if it is not found by a route");
            return null;
        }

        if (!scope.IsMapping(spec, WorkloadSpecFields))
        {
            return null;
        }

        var mark = scope.Errors;
        var workload = new Workload
        {
            Name = metadata.Name,
            Namespace = metadata.Namespace,
            Uid = metadata.Uid,
            Position = scope.PositionOf(scope.Root),
            Labels = labels,
            CreatedAt = metadata.CreatedAt,
            Interface = ReadInterface(scope, spec["interface"]),
            Side = scope.Choice(spec["side"], InterfaceSide.Peer, ("peer", InterfaceSide.Peer), ("self", InterfaceSide.Self)),
        };
        var usable = scope.Errors == mark;
        workload = workload with
        {
            Addresses = ReadAddresses(scope, scope.Items(spec["addresses"])),
            Ports = scope.Items(spec["ports"]).Select(port => ReadPort(scope, port, "port", WorkloadPortFields)).OfType<NamedPort>().ToEquatableArray(),
        };
        if (workload.Addresses.IsEmpty && spec["addresses"] is null or { Items.Count: 0 })
        {
            scope.Report(FindingSeverity.Warning, spec, "has no addresses: no selector can match its traffic as a peer");
        }

        return usable ? workload : null;
    }

    private static string? ReadInterface(ObjectScope scope, ManifestNode? node)
    {
        var name = scope.String(node);
        if (name is not null && Syntax.InterfaceName(name) is { } fault)
        {
            scope.Error(node!, fault);
        }

        return name;
    }

    private static bool ReadFinished(ObjectScope scope, ManifestNode? status) => scope.Choice(
        status?["phase"], false, ("Pending", false), ("Running", false), ("Succeeded", true), ("Failed", true), ("Unknown", false));

    private static EquatableArray<IpAddress> ReadPodAddresses(ObjectScope scope, ManifestNode? status)
    {
        var nodes = new List<ManifestNode>();
        if (status?["podIP"] is { } single && single is not { Kind: NodeKind.String, Text: "" })
        {
            nodes.Add(single);
        }

        foreach (var item in scope.Items(status?["podIPs"]))
        {
            if (scope.IsMapping(item) && item["ip"] is { } address)
            {
                nodes.Add(address);
            }
        }

        return ReadAddresses(scope, nodes);
    }

    private static EquatableArray<IpAddress> ReadAddresses(ObjectScope scope, IReadOnlyList<ManifestNode> nodes)
    {
        var addresses = new List<IpAddress>();
        foreach (var node in nodes)
        {
            if (PortFields.Address(scope, node) is { } address && !addresses.Contains(address))
            {
                addresses.Add(address);
            }
        }

        return addresses.ToEquatableArray();
    }

    private static bool IsReady(ObjectScope scope, ManifestNode? status)
    {
        foreach (var condition in scope.Items(status?["conditions"]))
        {
            if (scope.IsMapping(condition) && scope.String(condition["type"]) == "Ready")
            {
                return scope.String(condition["status"]) != "False";
            }
        }

        return true;
    }

    /// <summary>The named ports of containers and of sidecars, which are init containers that are always restarted.</summary>
    private static EquatableArray<NamedPort> ReadContainerPorts(ObjectScope scope, ManifestNode? spec)
    {
        var ports = new List<NamedPort>();
        foreach (var container in scope.Items(spec?["containers"]))
        {
            ports.AddRange(ReadContainer(scope, container));
        }

        foreach (var container in scope.Items(spec?["initContainers"]))
        {
            if (scope.IsMapping(container) && scope.String(container["restartPolicy"]) == "Always")
            {
                ports.AddRange(ReadContainer(scope, container));
            }
        }

        return ports.ToEquatableArray();
    }

    private static IEnumerable<NamedPort> ReadContainer(ObjectScope scope, ManifestNode container) =>
        scope.IsMapping(container)
            ? scope.Items(container["ports"])
                .Select(port => ReadPort(scope, port, "containerPort", ["name", "containerPort", "protocol", "hostPort", "hostIP"]))
                .OfType<NamedPort>()
            : [];

    private static NamedPort? ReadPort(ObjectScope scope, ManifestNode node, string numberField, string[] fields)
    {
        var mark = scope.Errors;
        if (!scope.IsMapping(node, fields))
        {
            return null;
        }

        if (node[numberField] is null)
        {
            scope.Missing(node, numberField, "required: 1 to 65535");
        }

        var number = scope.Port(node[numberField]);
        var protocol = PortFields.Protocol(scope, node["protocol"]);
        var name = scope.String(node["name"]);
        if (name is { Length: > 0 } && Syntax.PortName(name) is { } fault)
        {
            scope.Error(node["name"]!, fault);
        }

        return scope.Errors == mark && name is { Length: > 0 } ? new NamedPort(name, protocol!.Value, number!.Value) : null;
    }
}
