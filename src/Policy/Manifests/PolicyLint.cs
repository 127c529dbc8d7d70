using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Finds what is valid object by object but surely a mistake in the whole: pure, over one set of resources.</summary>
/// <remarks>
/// What needs workloads to judge (selectors that select nothing, unserved port names) is left out when the set has none,
/// and so are unknown namespaces when it has no namespace: then it is policies only, to be joined with a world that is not here.
/// </remarks>
public sealed class PolicyLint
{
    private readonly List<Finding> _findings = [];
    private readonly LintWorld _world;
    private readonly Func<Resource, string, SourcePosition> _locate;

    private PolicyLint(LintWorld world, Func<Resource, string, SourcePosition> locate) => (_world, _locate) = (world, locate);

    /// <summary>Checks the resources; the findings are in their order.</summary>
    /// <param name="resources">The resources.</param>
    /// <param name="locate">Where a field of a resource stands, by its path; the default value where that is not known.</param>
    public static IReadOnlyList<Finding> Check(
        IReadOnlyCollection<Resource> resources, Func<Resource, string, SourcePosition> locate)
    {
        ArgumentNullException.ThrowIfNull(resources);
        ArgumentNullException.ThrowIfNull(locate);
        var lint = new PolicyLint(new LintWorld(resources), locate);
        var first = new Dictionary<ResourceKey, Resource>();
        foreach (var resource in resources)
        {
            if (!first.TryAdd(resource.Key, resource))
            {
                lint.Add(FindingSeverity.Error, resource, string.Empty, $"given twice; the one at {first[resource.Key].Position} counts, remove the other");
            }
        }

        foreach (var resource in first.Values)
        {
            lint.CheckResource(resource);
        }

        lint.CheckPriorities(first.Values.OfType<ClusterNetworkPolicy>());
        lint.CheckAddresses(first.Values.OfType<Workload>());
        return lint._findings;
    }

    private void CheckResource(Resource resource)
    {
        if (resource is NetworkPolicy { Defect: null } policy)
        {
            CheckNetworkPolicy(policy);
        }
        else if (_world.HasWorkloads && resource is ClusterNetworkPolicy { Defect: null } cluster)
        {
            CheckClusterPolicy(cluster);
        }
    }

    private void CheckNetworkPolicy(NetworkPolicy policy)
    {
        if (_world.HasNamespaces && !_world.NamespaceExists(policy.Namespace))
        {
            Add(
                FindingSeverity.Warning,
                policy,
                "metadata.namespace",
                $"no other object is in namespace {policy.Namespace}{_world.NamespaceHint(policy.Namespace)}");
            return;
        }

        if (!_world.HasWorkloads)
        {
            return;
        }

        var subjects = _world.Select(policy.Namespace, policy.PodSelector);
        if (subjects.IsEmpty)
        {
            Add(FindingSeverity.Warning, policy, "spec.podSelector", $"selects no pod{_world.LabelHint(policy.PodSelector)}");
        }

        for (var i = 0; i < policy.Ingress.Count; i++)
        {
            CheckPeers(policy, policy.Ingress[i], $"spec.ingress[{i}]", "from");
            CheckNamedPorts(policy, policy.Ingress[i], $"spec.ingress[{i}]", [subjects], "the selected pods");
        }

        for (var i = 0; i < policy.Egress.Count; i++)
        {
            CheckPeers(policy, policy.Egress[i], $"spec.egress[{i}]", "to");
            CheckNamedPorts(policy, policy.Egress[i], $"spec.egress[{i}]", Destinations(policy, policy.Egress[i]), "the peers");
        }
    }

    private void CheckPeers(NetworkPolicy policy, NetworkPolicyRule rule, string path, string field)
    {
        for (var i = 0; i < rule.Peers.Count; i++)
        {
            if (rule.Peers[i].IpBlock is null && _world.Select(policy.Namespace, rule.Peers[i]).IsEmpty)
            {
                Add(FindingSeverity.Warning, policy, $"{path}.{field}[{i}]", $"selects no pod{_world.LabelHint(rule.Peers[i].PodSelector)}");
            }
        }
    }

    /// <summary>The pods an egress rule reaches, as far as that can be told from selectors.</summary>
    private IReadOnlyList<LintSelection> Destinations(NetworkPolicy policy, NetworkPolicyRule rule) =>
        rule.Peers.IsEmpty || rule.Peers.Any(peer => peer.IpBlock is not null)
            ? [_world.Everything]
            : [.. rule.Peers.Select(peer => _world.Select(policy.Namespace, peer))];

    private void CheckNamedPorts(
        NetworkPolicy policy, NetworkPolicyRule rule, string path, IReadOnlyList<LintSelection> pods, string whose)
    {
        if (!rule.Ports.Any(port => port.Port?.Name is not null))
        {
            return;
        }

        if (pods.All(selection => selection.IsEmpty))
        {
            (pods, whose) = ([_world.Everything], "the pods there are");
        }

        for (var i = 0; i < rule.Ports.Count; i++)
        {
            var port = rule.Ports[i];
            if (port.Port?.Name is { } name && !pods.Any(selection => selection.Serves(name, port.Protocol)))
            {
                Add(
                    FindingSeverity.Warning,
                    policy,
                    $"{path}.ports[{i}].port",
                    $"none of {whose} serves {name}/{port.Protocol.ToString().ToUpperInvariant()}{_world.ServedHint(pods, name)}");
            }
        }
    }

    private void CheckClusterPolicy(ClusterNetworkPolicy policy)
    {
        var subjects = _world.Select(policy.Subject);
        if (subjects.IsEmpty)
        {
            Add(FindingSeverity.Warning, policy, "spec.subject", $"selects no pod{_world.LabelHint(policy.Subject.PodSelector)}");
        }

        for (var i = 0; i < policy.Ingress.Count; i++)
        {
            CheckClusterRule(policy, policy.Ingress[i], $"spec.ingress[{i}]", "from", subjects);
        }

        for (var i = 0; i < policy.Egress.Count; i++)
        {
            CheckClusterRule(policy, policy.Egress[i], $"spec.egress[{i}]", "to", null);
        }
    }

    private void CheckClusterRule(
        ClusterNetworkPolicy policy, ClusterPolicyRule rule, string path, string field, LintSelection? subjects)
    {
        if (rule.Defect is not null)
        {
            return;
        }

        for (var i = 0; i < rule.Peers.Count; i++)
        {
            if (rule.Peers[i].Pods is { } pods && _world.Select(pods).IsEmpty)
            {
                Add(FindingSeverity.Warning, policy, $"{path}.{field}[{i}]", $"selects no pod{_world.LabelHint(pods.PodSelector)}");
            }
            else if (rule.Peers[i].Nodes is { } nodes && _world.HasNodes && !_world.SelectsNode(nodes))
            {
                Add(FindingSeverity.Warning, policy, $"{path}.{field}[{i}].nodes", "selects no node");
            }
        }

        var peers = rule.Peers.Select(peer => peer.Pods).OfType<ClusterPolicySubject>();
        IReadOnlyList<LintSelection> destinations = subjects is not null ? [subjects] : [.. peers.Select(_world.Select)];
        destinations = destinations.All(selection => selection.IsEmpty) ? [_world.Everything] : destinations;
        foreach (var (i, port) in (rule.Ports ?? []).Index())
        {
            if (port.NamedPort is { } name && !destinations.Any(selection => selection.Serves(name, null)))
            {
                Add(
                    FindingSeverity.Warning,
                    policy,
                    $"{path}.protocols[{i}].destinationNamedPort",
                    $"no destination serves the port name {name}{_world.ServedHint(destinations, name)}");
            }
        }
    }

    private void CheckPriorities(IEnumerable<ClusterNetworkPolicy> policies)
    {
        foreach (var group in policies.GroupBy(policy => (policy.Tier, policy.Priority)).Where(group => group.Skip(1).Any()))
        {
            var ordered = group.OrderBy(policy => policy.Name, StringComparer.Ordinal).ToList();
            foreach (var (before, policy) in ordered.Zip(ordered.Skip(1)))
            {
                Add(
                    FindingSeverity.Warning,
                    policy,
                    "spec.priority",
                    $"{policy.Priority} is also that of {before.Name}, which comes first by its name; give each its own");
            }
        }
    }

    private void CheckAddresses(IEnumerable<Workload> workloads)
    {
        var owners = new Dictionary<Net.IpAddress, Workload>();
        foreach (var workload in workloads.Where(workload => workload is { Finished: false, HostNetwork: false }))
        {
            foreach (var address in workload.Addresses)
            {
                if (!owners.TryAdd(address, workload))
                {
                    Add(
                        FindingSeverity.Warning,
                        workload,
                        string.Empty,
                        $"{address} is also an address of {owners[address].Key.NamespacedName}; the younger one owns it");
                }
            }
        }
    }

    private void Add(FindingSeverity severity, Resource resource, string field, string message)
    {
        var name = resource is Workload { Key.NamespacedName: var pod } ? $"Pod {pod}" : resource.Key.ToString();
        var position = field.Length == 0 ? default : _locate(resource, field);
        _findings.Add(new Finding(
            severity, position == default ? resource.Position : position, name, field.Length == 0 ? message : $"{field}: {message}"));
    }
}
