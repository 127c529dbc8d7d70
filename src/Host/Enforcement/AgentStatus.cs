using System.Collections.Immutable;

namespace Portcullis.Host.Enforcement;

/// <summary>What the loop has reached: immutable, published whole.</summary>
internal sealed record AgentStatus
{
    /// <summary>Source changes accepted so far.</summary>
    public long Revision { get; init; }

    /// <summary>The revision that is in the kernel.</summary>
    public long AppliedRevision { get; init; }

    /// <summary>Whether the source's initial state is complete.</summary>
    public bool Synced { get; init; }

    /// <summary>Whether the last attempt to apply succeeded, and there was one.</summary>
    public bool Applied { get; init; }

    /// <summary>Whether the agent has let go of the kernel and enforces nothing any more.</summary>
    public bool Released { get; init; }

    /// <summary>The datapath in use.</summary>
    public required DatapathChoice Datapath { get; init; }

    /// <summary>Local workloads.</summary>
    public int Endpoints { get; init; }

    /// <summary>Local workloads whose interface is not there.</summary>
    public int EndpointsWithoutInterface { get; init; }

    /// <summary>Policies of every kind.</summary>
    public int Policies { get; init; }

    /// <summary>Peer sets in use.</summary>
    public int PeerSets { get; init; }

    /// <summary>Rule sets in use.</summary>
    public int RuleSets { get; init; }

    /// <summary>Everything that is wrong now.</summary>
    public ImmutableArray<Finding> Problems { get; init; } = [];

    /// <summary>Whether the machine enforces what the source says.</summary>
    public bool Ready => Synced && Applied && !Released;
}

/// <summary>The datapath in use and why it is.</summary>
internal sealed record DatapathChoice(string Plugin, string Reason);
