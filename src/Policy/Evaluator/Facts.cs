using Portcullis.Net;
using Portcullis.Policy.Store;
using Portcullis.Resources;

namespace Portcullis.Policy.Evaluator;

/// <summary>What is true of labels, addresses and nodes in a world, in the plainest way.</summary>
internal sealed class Facts
{
    private readonly PolicyOptions _options;
    private readonly Dictionary<IpAddress, Workload> _owners = [];
    private readonly Dictionary<string, LabelSet> _namespaceLabels = [];

    public Facts(World world, PolicyOptions options)
    {
        World = world;
        _options = options;
        foreach (var workload in world.Workloads.Where(IsSelectable))
        {
            foreach (var address in workload.Addresses)
            {
                // Workloads come by name: of two of one age the later name owns the address.
                if (!_owners.TryGetValue(address, out var owner) || Nullable.Compare(workload.CreatedAt, owner.CreatedAt) >= 0)
                {
                    _owners[address] = workload;
                }
            }
        }
    }

    public World World { get; }

    /// <summary>Whether policies can select it, as a subject or as a peer.</summary>
    public static bool IsSelectable(Workload workload) => workload is { HostNetwork: false, Finished: false };

    public Workload? OwnerOf(IpAddress address) => _owners.GetValueOrDefault(address);

    /// <summary>The addresses of a workload that it owns.</summary>
    public IEnumerable<IpAddress> AddressesOf(Workload workload) =>
        workload.Addresses.Where(address => OwnerOf(address)?.Key == workload.Key).Distinct();

    /// <summary>Whether an address is one of the node a workload runs on.</summary>
    public bool IsOwnNode(Workload workload, IpAddress address)
    {
        var name = workload.NodeName ?? _options.NodeName;
        return (name is not null && World.FindNode(name)?.Addresses.Contains(address) == true)
            || (name == _options.NodeName && _options.NodeAddresses.Contains(address));
    }

    public static bool Selects(LabelSelector selector, LabelSet labels) =>
        selector.Requirements.All(requirement => labels.TryGetValue(requirement.Key, out var value)
            ? requirement.Operator switch
            {
                LabelOperator.In => requirement.Values.Contains(value),
                LabelOperator.NotIn => !requirement.Values.Contains(value),
                LabelOperator.Exists => true,
                _ => false,
            }
            : requirement.Operator is LabelOperator.NotIn or LabelOperator.DoesNotExist);

    public bool SelectsNamespace(LabelSelector selector, string name) => Selects(selector, NamespaceLabels(name));

    public bool SelectsPod(ClusterPolicySubject pods, Workload workload) =>
        IsSelectable(workload)
        && SelectsNamespace(pods.NamespaceSelector, workload.Namespace)
        && (pods.PodSelector is null || Selects(pods.PodSelector, workload.Labels));

    public bool SelectsNode(LabelSelector selector, IpAddress address) =>
        World.Nodes.Any(node => Selects(selector, node.Labels) && node.Addresses.Contains(address));

    private LabelSet NamespaceLabels(string name)
    {
        if (!_namespaceLabels.TryGetValue(name, out var labels))
        {
            labels = World.FindNamespace(name)?.Labels ?? LabelSet.Empty;
            labels = labels.TryGetValue(Namespace.NameLabel, out _) ? labels : labels.With(Namespace.NameLabel, name);
            _namespaceLabels.Add(name, labels);
        }

        return labels;
    }
}
