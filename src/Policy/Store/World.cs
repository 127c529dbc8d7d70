using System.Collections.Frozen;
using System.Collections.Immutable;
using Portcullis.Resources;

namespace Portcullis.Policy.Store;

/// <summary>An immutable snapshot of every resource.</summary>
public sealed class World
{
    /// <summary>A world with nothing in it.</summary>
    public static readonly World Empty = new([]);

    private readonly FrozenDictionary<string, Namespace> _namespaces;
    private readonly FrozenDictionary<string, Node> _nodes;

    /// <summary>The world that consists of <paramref name="resources"/>; of two with one key the later counts.</summary>
    public World(IEnumerable<Resource> resources)
    {
        ArgumentNullException.ThrowIfNull(resources);
        var byKey = new Dictionary<ResourceKey, Resource>();
        foreach (var resource in resources)
        {
            byKey[resource.Key] = resource;
        }

        Workloads = Sorted<Workload>(byKey);
        Services = Sorted<Service>(byKey);
        EndpointSlices = Sorted<EndpointSlice>(byKey);
        NetworkPolicies = Sorted<NetworkPolicy>(byKey);
        ClusterNetworkPolicies = Sorted<ClusterNetworkPolicy>(byKey);
        Nodes = Sorted<Node>(byKey);
        _namespaces = byKey.Values.OfType<Namespace>().ToFrozenDictionary(item => item.Name);
        _nodes = Nodes.ToFrozenDictionary(item => item.Name);
    }

    /// <summary>Every Namespace object, in no particular order.</summary>
    public ImmutableArray<Namespace> Namespaces => _namespaces.Values;

    /// <summary>Every workload, by namespace and name.</summary>
    public ImmutableArray<Workload> Workloads { get; }

    /// <summary>Every Service, by namespace and name.</summary>
    public ImmutableArray<Service> Services { get; }

    /// <summary>Every EndpointSlice, by namespace and name.</summary>
    public ImmutableArray<EndpointSlice> EndpointSlices { get; }

    /// <summary>Every NetworkPolicy, by namespace and name.</summary>
    public ImmutableArray<NetworkPolicy> NetworkPolicies { get; }

    /// <summary>Every ClusterNetworkPolicy, by name.</summary>
    public ImmutableArray<ClusterNetworkPolicy> ClusterNetworkPolicies { get; }

    /// <summary>Every Node, by name.</summary>
    public ImmutableArray<Node> Nodes { get; }

    /// <summary>The Namespace object of this name; null when only its objects mention it.</summary>
    public Namespace? FindNamespace(string name) => _namespaces.GetValueOrDefault(name);

    /// <summary>The Node object of this name, or null.</summary>
    public Node? FindNode(string name) => _nodes.GetValueOrDefault(name);

    private static ImmutableArray<T> Sorted<T>(Dictionary<ResourceKey, Resource> byKey)
        where T : Resource =>
        [.. byKey.Values.OfType<T>().OrderBy(item => item.Key.NamespacedName)];
}
