using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>What a peer set selects: its identity, compared by content.</summary>
internal abstract record PeerSpec;

/// <summary>Pods.</summary>
/// <param name="Pods">Which.</param>
/// <param name="HiddenNode">The node whose addresses do not count, or null.</param>
internal sealed record PodSpec(SelectionKey Pods, string? HiddenNode = null) : PeerSpec
{
    public override string ToString() => Pods + (HiddenNode is null ? "" : " except this node");
}

/// <summary>Address blocks without their holes, both as written.</summary>
/// <param name="Blocks">The blocks.</param>
/// <param name="Holes">What is taken out of each; empty: nothing.</param>
internal sealed record BlockSpec(EquatableArray<IpPrefix> Blocks, EquatableArray<IpPrefix> Holes) : PeerSpec
{
    /// <summary>What is meant, as disjoint prefixes.</summary>
    public EquatableArray<IpPrefix> ToPrefixes() => PrefixMath.Union(Blocks.SelectMany(block => PrefixMath.Subtract(block, Holes)));

    public override string ToString() => string.Join(',', Blocks) + (Holes.IsEmpty ? "" : " except " + string.Join(',', Holes));
}

/// <summary>Nodes by labels; the selector is canonical.</summary>
internal sealed record NodesSpec(LabelSelector Nodes) : PeerSpec
{
    public override string ToString() =>
        Nodes.Requirements.IsEmpty ? "every node" : $"nodes with {LabelMatching.Describe(Nodes)}";
}

/// <summary>The addresses of one node, or every address but those.</summary>
internal sealed record OwnNodeSpec(string Node, bool Outside) : PeerSpec
{
    public override string ToString() => Outside ? "everything but this node" : "this node";
}

/// <summary>Pods that serve some port under a name; stands for one peer set a number.</summary>
/// <param name="Pods">Which pods.</param>
/// <param name="Within">Only their addresses in these prefixes; null: all.</param>
/// <param name="HiddenNode">The node whose addresses do not count, or null.</param>
/// <param name="Name">The name.</param>
/// <param name="Protocol">The protocol the port must have; null: any.</param>
internal sealed record NamedPortPeers(
    SelectionKey Pods,
    EquatableArray<IpPrefix>? Within,
    string? HiddenNode,
    string Name,
    IpProtocol? Protocol);

/// <summary>Every cluster IP.</summary>
internal sealed record ClusterIpsSpec : PeerSpec
{
    public override string ToString() => "every cluster IP";
}

/// <summary>The cluster IPs one rule set decides in one way at one port.</summary>
internal sealed record ServiceGroupSpec(ServiceTier Owner, IpProtocol Protocol, ushort Port, ServiceOutcome Outcome) : PeerSpec
{
    public override string ToString() => $"Services at {Port}/{Protocol}";
}
