namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>v1 Pod.</summary>
internal sealed record Pod : IApiObject
{
    public ObjectMeta? Metadata { get; init; }

    public PodSpec? Spec { get; init; }

    public PodStatus? Status { get; init; }
}

internal sealed record PodSpec
{
    public string? NodeName { get; init; }

    public bool HostNetwork { get; init; }

    public List<Container>? Containers { get; init; }

    public List<Container>? InitContainers { get; init; }
}

internal sealed record Container
{
    public string? RestartPolicy { get; init; }

    public List<ContainerPort>? Ports { get; init; }
}

internal sealed record ContainerPort
{
    public string? Name { get; init; }

    [System.Text.Json.Serialization.JsonPropertyName("containerPort")]
    public int Number { get; init; }

    public string? Protocol { get; init; }
}

internal sealed record PodStatus
{
    public string? Phase { get; init; }

    public string? PodIP { get; init; }

    public List<PodAddress>? PodIPs { get; init; }

    public List<Condition>? Conditions { get; init; }
}

internal sealed record PodAddress
{
    public string? Ip { get; init; }
}

internal sealed record Condition
{
    public string? Type { get; init; }

    public string? Status { get; init; }
}
