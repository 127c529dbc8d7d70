using Portcullis.Net;

namespace Portcullis.Policy;

/// <summary>From where the world is looked at: compiler and evaluator take the same.</summary>
public sealed record PolicyOptions
{
    /// <summary>
    /// This node's name. The compiler makes endpoints of its workloads only; null: of the workloads of every node.
    /// A workload without a node name is on this node.
    /// </summary>
    public string? NodeName { get; init; }

    /// <summary>Addresses of this node beside those of its Node object.</summary>
    public EquatableArray<IpAddress> NodeAddresses { get; init; } = [];

    /// <summary>The mode.</summary>
    public EnforcementMode Mode { get; init; }
}
