using System.Collections.Immutable;
using Portcullis.Resources;

namespace Portcullis.Sources;

/// <summary>One change of one object: it now is like this, or it is gone.</summary>
/// <param name="Key">The object.</param>
/// <param name="Resource">Its new state; null when it is gone.</param>
public readonly record struct ResourceChange(ResourceKey Key, Resource? Resource)
{
    /// <summary>The object is new or differs from before.</summary>
    public static ResourceChange Upsert(Resource resource)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return new(resource.Key, resource);
    }

    /// <summary>The object is gone. Deleting what was never there has no effect.</summary>
    public static ResourceChange Delete(ResourceKey key) => new(key, null);
}

/// <summary>Changes that belong together: after all of them, and only then, the state is one the source has seen.</summary>
public sealed record SourceBatch
{
    /// <summary>The changes, in order; of two for one object the later counts.</summary>
    public ImmutableArray<ResourceChange> Changes { get; init; } = [];

    /// <summary>
    /// How many changes the user made, as far as the source can tell: files saved, API events. The revision grows by this
    /// number, also when nothing differs. At least 1, except for a batch that only carries <see cref="Problems"/> or <see cref="Synced"/>.
    /// </summary>
    public int Accepted { get; init; }

    /// <summary>Set in exactly one batch: the initial state is complete with it.</summary>
    public bool Synced { get; init; }

    /// <summary>
    /// Everything that is wrong with the source now, when that changed; null when it did not. Each list replaces the one before.
    /// </summary>
    public ImmutableArray<Finding>? Problems { get; init; }

    /// <summary>When the source noticed the first of the changes, from <see cref="TimeProvider.GetTimestamp"/>; latency is counted from here.</summary>
    public long ObservedAt { get; init; }
}
