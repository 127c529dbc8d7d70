using Portcullis.Net;

namespace Portcullis.Resources;

/// <summary>discovery.k8s.io/v1 EndpointSlice: backends of a Service that has no selector. Those of other Services are found by the selector.</summary>
public sealed record EndpointSlice : Resource
{
    /// <summary>The label that names the Service.</summary>
    public const string ServiceLabel = "kubernetes.io/service-name";

    /// <summary>The namespace, the Service's too; never empty.</summary>
    public required string Namespace { get; init; }

    /// <summary>The Service's name; null when it is stated nowhere.</summary>
    public string? Service { get; init; }

    /// <summary>The addresses of the endpoints that are ready, the first of each, in the author's order.</summary>
    public EquatableArray<IpAddress> Addresses { get; init; } = [];

    /// <summary>The ports at each address, under the name of the Service's port; empty when that has none.</summary>
    public EquatableArray<NamedPort> Ports { get; init; } = [];

    /// <inheritdoc/>
    public override ResourceKey Key => new(ResourceKind.EndpointSlice, Namespace, Name);
}
