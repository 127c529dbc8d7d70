using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>The workloads, namespaces and nodes of a set of resources, for <see cref="PolicyLint"/> to select from.</summary>
internal sealed class LintWorld
{
    private readonly Dictionary<string, List<Workload>> _workloads = new(StringComparer.Ordinal);
    private readonly Dictionary<string, LabelSet> _namespaces = new(StringComparer.Ordinal);
    private readonly List<Node> _nodes = [];
    private readonly Dictionary<(string?, LabelSelector?, LabelSelector?), IReadOnlyCollection<Workload>> _selected = [];

    public LintWorld(IReadOnlyCollection<Resource> resources)
    {
        foreach (var workload in resources.OfType<Workload>())
        {
            Mention(workload.Namespace);

            // No selector matches a pod that uses its node's network.
            if (!workload.HostNetwork)
            {
                _workloads[workload.Namespace].Add(workload);
            }
        }

        foreach (var space in resources.OfType<Namespace>())
        {
            Mention(space.Name);
            _namespaces[space.Name] = space.Labels.TryGetValue(Namespace.NameLabel, out _)
                ? space.Labels
                : space.Labels.With(Namespace.NameLabel, space.Name);
        }

        foreach (var service in resources.OfType<Service>())
        {
            Mention(service.Namespace);
        }

        _nodes.AddRange(resources.OfType<Node>());
        Workloads = [.. _workloads.Values.SelectMany(list => list)];
    }

    public IReadOnlyCollection<Workload> Workloads { get; }

    public IEnumerable<string> Namespaces => _workloads.Keys;

    public bool HasWorkloads => Workloads.Count > 0;

    public bool HasNamespaces => _namespaces.Count > 0;

    public bool HasNodes => _nodes.Count > 0;

    /// <summary>Whether anything is in the namespace; <c>default</c> is in every cluster.</summary>
    public bool NamespaceExists(string name) => name == "default" || _workloads.ContainsKey(name);

    public IReadOnlyCollection<Workload> Select(string space, LabelSelector pods) => Select(space, null, pods);

    public IReadOnlyCollection<Workload> Select(string space, NetworkPolicyPeer peer) =>
        Select(peer.NamespaceSelector is null ? space : null, peer.NamespaceSelector, peer.PodSelector);

    public IReadOnlyCollection<Workload> Select(ClusterPolicySubject subject) => Select(null, subject.NamespaceSelector, subject.PodSelector);

    public bool SelectsNode(LabelSelector selector) => _nodes.Exists(node => Matches(selector, node.Labels));

    public static bool Serves(IEnumerable<Workload> pods, string name, IpProtocol? protocol) =>
        pods.Any(pod => pod.Ports.Any(port => port.Name == name && (protocol is null || port.Protocol == protocol)));

    public static string ServedHint(IEnumerable<Workload> pods, string name) =>
        Spelling.Hint(name, pods.SelectMany(pod => pod.Ports).Select(port => port.Name).Where(port => port != name).Distinct().Take(1000));

    /// <summary>Which label of a selector no pod has, and the nearest one there is; nothing when each is there.</summary>
    public string LabelHint(LabelSelector? selector)
    {
        foreach (var (key, label, values) in selector?.Requirements ?? [])
        {
            var there = Workloads.SelectMany(pod => pod.Labels).Where(pair => pair.Key == key).Select(pair => pair.Value).ToHashSet();
            if (there.Count == 0 && label is LabelOperator.In or LabelOperator.Exists)
            {
                var keys = Workloads.SelectMany(pod => pod.Labels).Select(pair => pair.Key).Distinct().Take(1000);
                return $"; no pod has a label {key}{Spelling.Hint(key, keys)}";
            }

            if (label == LabelOperator.In && !values.Any(there.Contains))
            {
                return $"; no pod has {key}={string.Join('|', values)}{Spelling.Hint(values[0], there.Take(1000))}";
            }
        }

        return string.Empty;
    }

    private IReadOnlyCollection<Workload> Select(string? space, LabelSelector? namespaces, LabelSelector? pods)
    {
        var key = (space, namespaces, pods);
        if (!_selected.TryGetValue(key, out var selected))
        {
            var spaces = space is null ? _workloads.Keys.Where(name => Matches(namespaces!, _namespaces[name])) : [space];
            selected = [.. spaces
                .SelectMany(name => _workloads.GetValueOrDefault(name) ?? [])
                .Where(workload => pods is null || Matches(pods, workload.Labels))];
            _selected.Add(key, selected);
        }

        return selected;
    }

    private void Mention(string space)
    {
        _workloads.TryAdd(space, []);
        _namespaces.TryAdd(space, LabelSet.Of((Namespace.NameLabel, space)));
    }

    private static bool Matches(LabelSelector selector, LabelSet labels) => selector.Requirements.All(requirement =>
    {
        var present = labels.TryGetValue(requirement.Key, out var value);
        return requirement.Operator switch
        {
            LabelOperator.In => present && requirement.Values.Contains(value!),
            LabelOperator.NotIn => !present || !requirement.Values.Contains(value!),
            LabelOperator.Exists => present,
            _ => !present,
        };
    });
}
