using System.Collections.Immutable;

namespace Portcullis.Rules;

/// <summary>What a datapath has to do to get from one revision to the next.</summary>
/// <remarks>
/// Self-contained and consistent: every id an endpoint or rule set refers to was announced in this or an earlier change
/// set and not removed since. Within one change set additions come before the endpoints that use them, removals after.
/// Objects that did not change are not in it.
/// </remarks>
public sealed record ChangeSet
{
    /// <summary>The revision this leads to. Later change sets have higher ones; numbers may be left out.</summary>
    public required long Revision { get; init; }

    /// <summary>
    /// Whether this is the whole world: what it does not name does not exist. The first change set a datapath gets is
    /// one, and later ones follow when host and datapath may have diverged. Ids from before do not carry over.
    /// </summary>
    public bool Replace { get; init; }

    /// <summary>New and changed peer sets.</summary>
    public ImmutableArray<PeerSetDelta> PeerSets { get; init; } = [];

    /// <summary>Peer sets that nothing refers to any more.</summary>
    public ImmutableArray<PeerSetId> RemovedPeerSets { get; init; } = [];

    /// <summary>New rule sets.</summary>
    public ImmutableArray<RuleSet> RuleSets { get; init; } = [];

    /// <summary>Rule sets that nothing refers to any more.</summary>
    public ImmutableArray<RuleSetId> RemovedRuleSets { get; init; } = [];

    /// <summary>New and changed endpoints.</summary>
    public ImmutableArray<Endpoint> Endpoints { get; init; } = [];

    /// <summary>Endpoints that are gone. Their interface is left unpoliced: it belongs to nobody known.</summary>
    public ImmutableArray<NamespacedName> RemovedEndpoints { get; init; } = [];

    /// <summary>Whether there is nothing to do but to note the revision.</summary>
    public bool IsEmpty =>
        !Replace && PeerSets.IsEmpty && RemovedPeerSets.IsEmpty && RuleSets.IsEmpty && RemovedRuleSets.IsEmpty
        && Endpoints.IsEmpty && RemovedEndpoints.IsEmpty;
}
