using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using Portcullis.Net;
using Portcullis.Policy.Manifests;
using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Informers;

namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>Turns objects of the API into resources. The server has validated them; what this reads differently than manifests is a defect.</summary>
/// <remarks>Not thread-safe: each informer has one of its own.</remarks>
internal sealed class ObjectTranslator
{
    private const int PoolCapacity = 50_000;

    private readonly Pool<string> _strings = new(PoolCapacity);
    private readonly Pool<LabelSet> _labels = new(PoolCapacity);
    private readonly Pool<EquatableArray<NamedPort>> _ports = new(PoolCapacity);

    public static Translated Translate(NamespaceObject item) => Sound(new Namespace
    {
        Name = item.Metadata!.Name!,
        Labels = LabelSet.From(item.Metadata.Labels ?? []),
    });

    public static Translated Translate(NodeObject item) => Sound(new Node
    {
        Name = item.Metadata!.Name!,
        Labels = LabelSet.From(item.Metadata.Labels ?? []),
        Addresses = (item.Status?.Addresses ?? [])
            .Where(address => address.Type is "InternalIP" or "ExternalIP")
            .Select(address => Parse(address.Address))
            .OfType<IpAddress>()
            .Distinct()
            .ToEquatableArray(),
    });

    public static Translated Translate(ServiceObject item) => Sound(new Service
    {
        Name = item.Metadata!.Name!,
        Namespace = item.Metadata.Namespace!,
        ClusterIps = item.Spec?.Type == "ExternalName"
            ? []
            : (item.Spec?.ClusterIPs ?? []).Prepend(item.Spec?.ClusterIP).Select(Parse).OfType<IpAddress>().Distinct().ToEquatableArray(),
        Ports = (item.Spec?.Ports ?? [])
            .Select(port => new ServicePort(ParseProtocol(port.Protocol), (ushort)port.Port, TargetOf(port)) { Name = port.Name is { Length: > 0 } name ? name : null })
            .ToEquatableArray(),
        Selector = item.Spec?.Selector is { Count: > 0 } selector ? LabelSet.From(selector) : null,
    });

    public static Translated Translate(EndpointSliceObject item) => Sound(new EndpointSlice
    {
        Name = item.Metadata!.Name!,
        Namespace = item.Metadata.Namespace!,
        Service = item.Metadata.Labels?.GetValueOrDefault(EndpointSlice.ServiceLabel),
        Addresses = (item.Endpoints ?? [])
            .Where(endpoint => endpoint.Conditions is not { Ready: false } and not { Terminating: true })
            .Select(endpoint => Parse(endpoint.Addresses?.FirstOrDefault()))
            .OfType<IpAddress>()
            .ToEquatableArray(),
        Ports = (item.Ports ?? [])
            .Where(port => port.Port is not null)
            .Select(port => new NamedPort(port.Name ?? string.Empty, ParseProtocol(port.Protocol), (ushort)port.Port!))
            .ToEquatableArray(),
    });

    /// <summary>A NetworkPolicy or ClusterNetworkPolicy, read as a manifest is.</summary>
    public static Translated Translate(PolicyObject item, string apiVersion, string kind)
    {
        var read = ManifestReader.ReadObject(JsonMarshal.GetRawUtf8Value(item.Json), apiVersion, kind);
        return new Translated(
            read.Resources.FirstOrDefault(),
            [.. read.Findings.Where(finding => finding.Severity != FindingSeverity.Note)]);
    }

    public Translated Translate(Pod item)
    {
        var (metadata, spec, status) = (item.Metadata!, item.Spec, item.Status);
        return Sound(new Workload
        {
            Name = metadata.Name!,
            Namespace = _strings.Share(metadata.Namespace!),
            Labels = LabelsOf(metadata.Labels),
            CreatedAt = metadata.CreationTimestamp,
            NodeName = spec?.NodeName is { Length: > 0 } node ? _strings.Share(node) : null,
            HostNetwork = spec?.HostNetwork ?? false,
            Finished = status?.Phase is "Succeeded" or "Failed",
            Addresses = AddressesOf(status),
            Ports = PortsOf(spec),
            Ready = metadata.DeletionTimestamp is null && IsReady(status),
            Interface = metadata.Annotations?.Interface,
        });
    }

    private static Translated Sound(Resource resource) => new(resource, []);

    private static bool IsReady(PodStatus? status) =>
        status?.Conditions?.Find(condition => condition.Type == "Ready") is not { Status: "False" };

    private static EquatableArray<IpAddress> AddressesOf(PodStatus? status)
    {
        if (status is null || (status.PodIP is null && status.PodIPs is null))
        {
            return [];
        }

        return (status.PodIPs ?? []).Select(address => address.Ip).Prepend(status.PodIP).Select(Parse).OfType<IpAddress>().Distinct().ToEquatableArray();
    }

    private static IpAddress? Parse(string? text) => IpAddress.TryParse(text, out var address) ? address : null;

    private static IpProtocol ParseProtocol(string? text) => text switch
    {
        "UDP" => IpProtocol.Udp,
        "SCTP" => IpProtocol.Sctp,
        _ => IpProtocol.Tcp,
    };

    /// <summary>The port at the backends: 0 and an empty name stand for the Service's own.</summary>
    private static PortReference TargetOf(ServicePortObject port) => port.TargetPort.ValueKind switch
    {
        JsonValueKind.Number when port.TargetPort.TryGetUInt16(out var number) && number != 0 => number,
        JsonValueKind.String when port.TargetPort.GetString() is { Length: > 0 } name => name,
        _ => (ushort)port.Port,
    };

    private LabelSet LabelsOf(Dictionary<string, string>? labels)
    {
        if (labels is null || labels.Count == 0)
        {
            return LabelSet.Empty;
        }

        return _labels.Share(LabelSet.From(
            labels.Select(label => KeyValuePair.Create(_strings.Share(label.Key), _strings.Share(label.Value)))));
    }

    private EquatableArray<NamedPort> PortsOf(PodSpec? spec)
    {
        // Init containers that are always restarted run beside the others.
        var ports = (spec?.Containers ?? [])
            .Concat((spec?.InitContainers ?? []).Where(container => container.RestartPolicy == "Always"))
            .SelectMany(container => container.Ports ?? [])
            .Where(port => port.Name is { Length: > 0 })
            .Select(port => new NamedPort(_strings.Share(port.Name!), ParseProtocol(port.Protocol), (ushort)port.Number))
            .ToImmutableArray();
        return ports.IsEmpty ? [] : _ports.Share(new EquatableArray<NamedPort>(ports));
    }
}
