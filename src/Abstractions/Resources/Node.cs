using Portcullis.Net;

namespace Portcullis.Resources;

/// <summary>v1 Node.</summary>
public sealed record Node : Resource
{
    /// <summary>The labels, which ClusterNetworkPolicy peers of kind <c>nodes</c> select.</summary>
    public LabelSet Labels { get; init; } = LabelSet.Empty;

    /// <summary>Every address of the node (status.addresses that are IPs).</summary>
    public EquatableArray<IpAddress> Addresses { get; init; } = [];

    /// <inheritdoc/>
    public override ResourceKey Key => new(ResourceKind.Node, string.Empty, Name);
}
