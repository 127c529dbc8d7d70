namespace Portcullis.Resources;

/// <summary>What kind of object a <see cref="Resource"/> is.</summary>
public enum ResourceKind
{
    /// <summary>v1 Namespace.</summary>
    Namespace,

    /// <summary>v1 Pod or portcullis.dev Workload: they share one name space of names.</summary>
    Workload,

    /// <summary>v1 Service.</summary>
    Service,

    /// <summary>discovery.k8s.io/v1 EndpointSlice.</summary>
    EndpointSlice,

    /// <summary>v1 Node.</summary>
    Node,

    /// <summary>networking.k8s.io/v1 NetworkPolicy.</summary>
    NetworkPolicy,

    /// <summary>policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy.</summary>
    ClusterNetworkPolicy,
}

/// <summary>What identifies an object within a source.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Namespace">The namespace; empty for cluster-scoped kinds.</param>
/// <param name="Name">The name.</param>
public readonly record struct ResourceKey(ResourceKind Kind, string Namespace, string Name)
{
    /// <summary>Namespace and name without the kind.</summary>
    public NamespacedName NamespacedName => new(Namespace, Name);

    /// <summary><c>Kind namespace/name</c>.</summary>
    public override string ToString() => $"{Kind} {NamespacedName}";
}

/// <summary>An object of the cluster as a source delivers it: immutable, compared by value, reduced to what policy needs.</summary>
public abstract record Resource
{
    /// <summary>The object's name.</summary>
    public required string Name { get; init; }

    /// <summary>The API server's identity of the object, which differs after delete and recreate; null when the source has none.</summary>
    public string? Uid { get; init; }

    /// <summary>Where the object starts.</summary>
    public SourcePosition Position { get; init; }

    /// <summary>What identifies the object within its source.</summary>
    public abstract ResourceKey Key { get; }
}
