using Portcullis.Net;

namespace Portcullis.Resources;

/// <summary>A port given by number or by name. Exactly one of the two is set.</summary>
/// <param name="Number">The number, 1 to 65535, or null.</param>
/// <param name="Name">The name, or null.</param>
public readonly record struct PortReference(ushort? Number, string? Name)
{
    /// <summary>The port with this number.</summary>
    public static implicit operator PortReference(ushort number) => new(number, null);

    /// <summary>The port with this name.</summary>
    public static implicit operator PortReference(string name) => new(null, name);

    /// <summary>The number or the name.</summary>
    public override string ToString() => Name ?? $"{Number}";
}

/// <summary>One port of a Service.</summary>
/// <param name="Protocol">The transport protocol.</param>
/// <param name="Port">The port at the cluster IP.</param>
/// <param name="TargetPort">The port at the backends; a name is looked up in each backend.</param>
public readonly record struct ServicePort(IpProtocol Protocol, ushort Port, PortReference TargetPort)
{
    /// <summary>Its name, by which an <see cref="EndpointSlice"/> refers to it; null when it has none.</summary>
    public string? Name { get; init; }
}

/// <summary>v1 Service, as far as policy on egress sees it: cluster IPs and what they are translated to.</summary>
public sealed record Service : Resource
{
    /// <summary>The namespace; never empty. Backends are looked for in it.</summary>
    public required string Namespace { get; init; }

    /// <summary>The cluster IPs; empty for a headless Service.</summary>
    public EquatableArray<IpAddress> ClusterIps { get; init; } = [];

    /// <summary>The ports.</summary>
    public EquatableArray<ServicePort> Ports { get; init; } = [];

    /// <summary>The labels a backend must have; null when the Service selects none: then <see cref="EndpointSlice"/>s state its backends.</summary>
    public LabelSet? Selector { get; init; }

    /// <inheritdoc/>
    public override ResourceKey Key => new(ResourceKind.Service, Namespace, Name);
}
