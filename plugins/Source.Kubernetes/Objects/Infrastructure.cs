using System.Text.Json;

namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>v1 Namespace.</summary>
internal sealed record NamespaceObject : IApiObject
{
    public ObjectMeta? Metadata { get; init; }
}

/// <summary>v1 Node.</summary>
internal sealed record NodeObject : IApiObject
{
    public ObjectMeta? Metadata { get; init; }

    public NodeStatus? Status { get; init; }
}

internal sealed record NodeStatus
{
    public List<NodeAddress>? Addresses { get; init; }
}

internal sealed record NodeAddress
{
    public string? Type { get; init; }

    public string? Address { get; init; }
}

/// <summary>v1 Service.</summary>
internal sealed record ServiceObject : IApiObject
{
    public ObjectMeta? Metadata { get; init; }

    public ServiceSpec? Spec { get; init; }
}

internal sealed record ServiceSpec
{
    public string? Type { get; init; }

    public string? ClusterIP { get; init; }

    public List<string>? ClusterIPs { get; init; }

    public List<ServicePortObject>? Ports { get; init; }

    public Dictionary<string, string>? Selector { get; init; }
}

internal sealed record ServicePortObject
{
    public string? Name { get; init; }

    public string? Protocol { get; init; }

    public int Port { get; init; }

    /// <summary>A number or a name.</summary>
    public JsonElement TargetPort { get; init; }
}

/// <summary>discovery.k8s.io EndpointSlice; v1 and v1beta1 have these fields alike.</summary>
internal sealed record EndpointSliceObject : IApiObject
{
    public ObjectMeta? Metadata { get; init; }

    public List<EndpointObject>? Endpoints { get; init; }

    public List<EndpointPortObject>? Ports { get; init; }
}

internal sealed record EndpointObject
{
    public List<string>? Addresses { get; init; }

    public EndpointConditions? Conditions { get; init; }
}

internal sealed record EndpointConditions
{
    public bool? Ready { get; init; }

    public bool? Terminating { get; init; }
}

internal sealed record EndpointPortObject
{
    public string? Name { get; init; }

    public string? Protocol { get; init; }

    public int? Port { get; init; }
}
