using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>A cluster IP and port.</summary>
internal readonly record struct FrontendKey(IpAddress Address, IpProtocol Protocol, ushort Port) : IComparable<FrontendKey>
{
    public int CompareTo(FrontendKey other)
    {
        var byAddress = Address.CompareTo(other.Address);
        return byAddress != 0 ? byAddress : (Protocol, Port).CompareTo((other.Protocol, other.Port));
    }
}

/// <summary>Where traffic to a cluster IP and port can end up.</summary>
/// <param name="Address">The address, of the cluster IP's family.</param>
/// <param name="Port">The port there.</param>
/// <param name="Pod">The workload; null when an EndpointSlice names an address that is none's.</param>
internal readonly record struct Backend(IpAddress Address, ushort Port, PodState? Pod);

/// <summary>A cluster IP and port with the ready backends of every Service that claims it.</summary>
internal sealed class Frontend(FrontendKey key)
{
    public FrontendKey Key { get; } = key;

    public List<ServiceState> Services { get; } = [];

    public ImmutableArray<Backend> Backends { get; set; } = [];
}

/// <summary>A Service with what is behind it.</summary>
internal sealed class ServiceState(Service service, IEnumerable<EndpointSlice> slices)
{
    public Service Service { get; } = service;

    /// <summary>What a backend must match; null when the Service selects none.</summary>
    public LabelSelector? Selector { get; } = service.Selector is { Count: > 0 } labels
        ? new(labels.Select(label => new LabelRequirement(label.Key, LabelOperator.In, [label.Value])).ToEquatableArray())
        : null;

    /// <summary>What states its backends when it selects none; else empty.</summary>
    public ImmutableArray<EndpointSlice> Slices { get; } = service.Selector is { Count: > 0 } ? [] : [.. slices];

    /// <summary>The workloads its selector matches, or those that own an address in its slices.</summary>
    public HashSet<PodState> Pods { get; } = [];
}
