using Portcullis.Net;

namespace Portcullis.Resources;

/// <summary>On which side of its interface a workload is.</summary>
public enum InterfaceSide
{
    /// <summary>The workload is at the other end of the interface (veth, tap): what the machine receives there, the workload sent.</summary>
    Peer,

    /// <summary>The interface is the machine's own and the machine is the workload.</summary>
    Self,
}

/// <summary>A port a workload serves by name.</summary>
/// <param name="Name">The name policies refer to.</param>
/// <param name="Protocol">The transport protocol; the name is only found with the same protocol.</param>
/// <param name="Port">The port number, 1 to 65535.</param>
public readonly record struct NamedPort(string Name, IpProtocol Protocol, ushort Port);

/// <summary>A v1 Pod or a portcullis.dev/v1alpha1 Workload: something with addresses that policies select.</summary>
public sealed record Workload : Resource
{
    /// <summary>The namespace; never empty.</summary>
    public required string Namespace { get; init; }

    /// <summary>The labels.</summary>
    public LabelSet Labels { get; init; } = LabelSet.Empty;

    /// <summary>The addresses, in the author's order: the first of each family is the primary one.</summary>
    /// <remarks>
    /// As the source states them. They do not count while <see cref="Finished"/> is set; of two live workloads
    /// with one address the younger owns it.
    /// </remarks>
    public EquatableArray<IpAddress> Addresses { get; init; } = [];

    /// <summary>The named ports of every container; one name may stand for several numbers.</summary>
    public EquatableArray<NamedPort> Ports { get; init; } = [];

    /// <summary>The node it is scheduled to; null when it is not, or when the source does not say.</summary>
    public string? NodeName { get; init; }

    /// <summary>Whether it uses its node's network: then it is never selected, and its traffic is the node's.</summary>
    public bool HostNetwork { get; init; }

    /// <summary>Whether its phase is Succeeded or Failed: then it has no address here.</summary>
    public bool Finished { get; init; }

    /// <summary>Whether it serves: not terminating, and its Ready condition is not False. Only Services ask.</summary>
    public bool Ready { get; init; } = true;

    /// <summary>When it was created; null when the source does not say. Decides who owns an address.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>The name of its interface on this machine; null: to be found by the route to its address.</summary>
    public string? Interface { get; init; }

    /// <summary>On which side of the interface it is.</summary>
    public InterfaceSide Side { get; init; }

    /// <inheritdoc/>
    public override ResourceKey Key => new(ResourceKind.Workload, Namespace, Name);
}
