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
    public string? Protocol { get; init; }

    public int Port { get; init; }

    /// <summary>A number or a name.</summary>
    public JsonElement TargetPort { get; init; }
}
