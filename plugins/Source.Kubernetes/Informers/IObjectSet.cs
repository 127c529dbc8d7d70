namespace Portcullis.Sources.Kubernetes.Informers;

/// <summary>The objects of one kind, as an informer sees them. Called by one informer, one call at a time.</summary>
internal interface IObjectSet<in T>
{
    /// <summary>A list begins; what an earlier one staged is forgotten.</summary>
    void Restart();

    /// <summary>An object of the list.</summary>
    void Stage(T item);

    /// <summary>The list is complete: what it does not hold is gone.</summary>
    void Commit(long observedAt);

    /// <summary>An object is new or changed.</summary>
    void Set(T item, long observedAt);

    /// <summary>An object is gone.</summary>
    void Remove(T item, long observedAt);
}
