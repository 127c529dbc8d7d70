using System.Collections.Immutable;
using Portcullis.Resources;
using Portcullis.Sources;

namespace Portcullis.Policy.Store;

/// <summary>The resources as the source last reported them. Not thread-safe.</summary>
public sealed class PolicyStore
{
    private readonly Dictionary<ResourceKey, Resource> _resources = [];
    private World? _snapshot;

    /// <summary>The number of resources.</summary>
    public int Count => _resources.Count;

    /// <summary>Takes changes in and returns those that made a difference, in their order.</summary>
    public ImmutableArray<ResourceChange> Apply(ReadOnlySpan<ResourceChange> changes)
    {
        var effective = ImmutableArray.CreateBuilder<ResourceChange>();
        foreach (var change in changes)
        {
            if (Apply(change))
            {
                effective.Add(change);
            }
        }

        if (effective.Count > 0)
        {
            _snapshot = null;
        }

        return effective.DrainToImmutable();
    }

    /// <summary>The resource with this key, or null.</summary>
    public Resource? Find(ResourceKey key) => _resources.GetValueOrDefault(key);

    /// <summary>The whole world as it is now. Kept until the next change, so asking again costs nothing.</summary>
    public World ToWorld() => _snapshot ??= new World(_resources.Values);

    private bool Apply(ResourceChange change)
    {
        if (change.Resource is not { } resource)
        {
            return _resources.Remove(change.Key);
        }

        if (_resources.TryGetValue(change.Key, out var known) && known.Equals(resource))
        {
            return false;
        }

        _resources[change.Key] = resource;
        return true;
    }
}
