namespace Portcullis;

/// <summary>The name of an object within a namespace; the namespace of cluster-scoped objects is empty.</summary>
public readonly record struct NamespacedName(string Namespace, string Name) : IComparable<NamespacedName>
{
    /// <summary>Orders by namespace, then by name, both ordinal.</summary>
    public int CompareTo(NamespacedName other)
    {
        var byNamespace = string.CompareOrdinal(Namespace, other.Namespace);
        return byNamespace != 0 ? byNamespace : string.CompareOrdinal(Name, other.Name);
    }

    /// <summary><c>namespace/name</c>, or only the name of a cluster-scoped object.</summary>
    public override string ToString() => Namespace is { Length: > 0 } ? $"{Namespace}/{Name}" : Name;
}
