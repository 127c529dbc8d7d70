namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>networking.k8s.aws/v1alpha1 PolicyEndpoint and ClusterPolicyEndpoint: a part of a policy, resolved by the controller of EKS.</summary>
internal sealed record PolicyEndpoint : IApiObject
{
    public ObjectMeta? Metadata { get; init; }

    public PolicyEndpointSpec? Spec { get; init; }
}

internal sealed record PolicyEndpointSpec
{
    public PolicyReference? PolicyRef { get; init; }

    /// <summary>Only of ClusterPolicyEndpoint.</summary>
    public string? Tier { get; init; }

    /// <summary>Only of ClusterPolicyEndpoint.</summary>
    public int Priority { get; init; }

    /// <summary>Only of PolicyEndpoint.</summary>
    public List<string>? PodIsolation { get; init; }

    public List<PodEndpoint>? PodSelectorEndpoints { get; init; }

    public List<EndpointRule>? Ingress { get; init; }

    public List<EndpointRule>? Egress { get; init; }
}

internal sealed record PolicyReference
{
    public string? Name { get; init; }

    public string? Namespace { get; init; }
}

internal sealed record PodEndpoint
{
    public string? Name { get; init; }

    public string? Namespace { get; init; }
}

internal sealed record EndpointRule
{
    public string? Cidr { get; init; }

    public List<string>? Except { get; init; }

    public string? DomainName { get; init; }

    public List<EndpointPort>? Ports { get; init; }

    /// <summary>Only of ClusterPolicyEndpoint.</summary>
    public string? Action { get; init; }
}

internal sealed record EndpointPort
{
    public string? Protocol { get; init; }

    public int? Port { get; init; }

    public int? EndPort { get; init; }
}
