using System.Collections.Immutable;
using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes.Informers;

/// <summary>Objects that become one resource each. What changes nothing that is read (a heartbeat) is not passed on.</summary>
internal sealed class ResourceSet<T>(ResourceKind kind, Func<T, Translated> translate, ChangeBoard board) : IObjectSet<T>
    where T : class, IApiObject
{
    private Dictionary<NamespacedName, Resource> _known = [];
    private Dictionary<NamespacedName, Resource> _staged = [];
    private List<ResourceChange> _stagedChanges = [];

    public void Restart()
    {
        _staged = new Dictionary<NamespacedName, Resource>(_known.Count);
        _stagedChanges = [];
    }

    public void Stage(T item)
    {
        if (Translate(item) is not { } resource)
        {
            return;
        }

        var name = resource.Key.NamespacedName;
        if (_known.TryGetValue(name, out var known) && known.Equals(resource))
        {
            _staged[name] = known;
            return;
        }

        _staged[name] = resource;
        _stagedChanges.Add(ResourceChange.Upsert(resource));
    }

    public void Commit(long observedAt)
    {
        foreach (var name in _known.Keys.Where(name => !_staged.ContainsKey(name)))
        {
            _stagedChanges.Add(ResourceChange.Delete(KeyOf(name)));
            board.SetProblems(KeyOf(name), []);
        }

        _known = _staged;
        board.Add(_stagedChanges, observedAt);
        _staged = [];
        _stagedChanges = [];
    }

    public void Set(T item, long observedAt)
    {
        if (Translate(item) is not { } resource)
        {
            return;
        }

        var name = resource.Key.NamespacedName;
        if (_known.TryGetValue(name, out var known) && known.Equals(resource))
        {
            return;
        }

        _known[name] = resource;
        board.Add([ResourceChange.Upsert(resource)], observedAt);
    }

    public void Remove(T item, long observedAt)
    {
        var name = item.Metadata!.FullName;
        board.SetProblems(KeyOf(name), []);
        if (_known.Remove(name))
        {
            board.Add([ResourceChange.Delete(KeyOf(name))], observedAt);
        }
    }

    /// <summary>The object as a resource; its last good state when it cannot be read, and null when there is none.</summary>
    private Resource? Translate(T item)
    {
        var name = item.Metadata?.FullName ?? default;
        var (resource, problems) = translate(item);
        board.SetProblems(KeyOf(name), problems);
        return resource ?? _known.GetValueOrDefault(name);
    }

    private ResourceKey KeyOf(NamespacedName name) => new(kind, name.Namespace, name.Name);
}

/// <summary>What became of an object.</summary>
/// <param name="Resource">The resource; null when the object cannot be read.</param>
/// <param name="Problems">What is wrong with it.</param>
internal readonly record struct Translated(Resource? Resource, ImmutableArray<Finding> Problems);
