using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>The workloads, namespaces and nodes of a set of resources, for <see cref="PolicyLint"/> to select from.</summary>
internal sealed class LintWorld
{
    private readonly Dictionary<string, List<Workload>> _workloads = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<string, List<Workload>>> _byLabel = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<Workload>> _byPortName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, LabelSet> _namespaces = new(StringComparer.Ordinal);
    private readonly List<Node> _nodes = [];
    private readonly List<Workload> _all = [];
    private int _hints;

    public LintWorld(IReadOnlyCollection<Resource> resources)
    {
        foreach (var workload in resources.OfType<Workload>())
        {
            Mention(workload.Namespace);

            // No selector matches a pod that uses its node's network.
            if (!workload.HostNetwork)
            {
                Add(workload);
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
        Everything = new LintSelection(this, null, null, null);
    }

    /// <summary>Every workload a selector can match.</summary>
    public LintSelection Everything { get; }

    public IEnumerable<string> Namespaces => _workloads.Keys;

    public bool HasWorkloads => _all.Count > 0;

    public bool HasNamespaces => _namespaces.Count > 0;

    public bool HasNodes => _nodes.Count > 0;

    /// <summary>Whether anything is in the namespace; <c>default</c> is in every cluster.</summary>
    public bool NamespaceExists(string name) => name == "default" || _workloads.ContainsKey(name);

    public LintSelection Select(string space, LabelSelector pods) => new(this, space, null, pods);

    public LintSelection Select(string space, NetworkPolicyPeer peer) =>
        new(this, peer.NamespaceSelector is null ? space : null, peer.NamespaceSelector, peer.PodSelector);

    public LintSelection Select(ClusterPolicySubject subject) => new(this, null, subject.NamespaceSelector, subject.PodSelector);

    public bool SelectsNode(LabelSelector selector) => _nodes.Exists(node => Matches(selector, node.Labels));

    public bool SelectsNamespace(LabelSelector selector, string name) => Matches(selector, _namespaces[name]);

    /// <summary>Workloads among which are all that the selector matches in the namespace; null: in any.</summary>
    public IEnumerable<Workload> Candidates(string? space, LabelSelector? pods)
    {
        IReadOnlyList<Workload> fewest = space is null ? _all : _workloads.GetValueOrDefault(space, []);
        foreach (var requirement in pods?.Requirements ?? [])
        {
            if (requirement is { Operator: LabelOperator.In, Values.Count: 1 })
            {
                var found = WithLabel(requirement.Key, requirement.Values[0]);
                fewest = found.Count < fewest.Count ? found : fewest;
            }
            else if (requirement.Operator is LabelOperator.In or LabelOperator.Exists && !_byLabel.ContainsKey(requirement.Key))
            {
                return [];
            }
        }

        return fewest;
    }

    /// <summary>Every workload that has a port of this name.</summary>
    public IReadOnlyList<Workload> Serving(string name) => _byPortName.GetValueOrDefault(name, []);

    /// <summary>The nearest other name of a port.</summary>
    public string ServedHint(IEnumerable<LintSelection> pods, string name) =>
        Hint(name, () => pods.SelectMany(selection => selection.PortNames).Where(port => port != name));

    /// <summary>The nearest namespace that is there.</summary>
    public string NamespaceHint(string name) => Hint(name, () => Namespaces);

    /// <summary>Which label of a selector no pod has, and the nearest one there is; nothing when each is there.</summary>
    public string LabelHint(LabelSelector? selector)
    {
        foreach (var (key, label, values) in selector?.Requirements ?? [])
        {
            if (!_byLabel.TryGetValue(key, out var there))
            {
                if (label is LabelOperator.In or LabelOperator.Exists)
                {
                    return $"; no pod has a label {key}{Hint(key, () => _byLabel.Keys)}";
                }
            }
            else if (label == LabelOperator.In && !values.Any(there.ContainsKey))
            {
                return $"; no pod has {key}={string.Join('|', values)}{Hint(values[0], () => there.Keys)}";
            }
        }

        return string.Empty;
    }

    public static bool Matches(LabelSelector selector, LabelSet labels) => selector.Requirements.All(requirement =>
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

    private List<Workload> WithLabel(string key, string value) =>
        _byLabel.TryGetValue(key, out var values) ? values.GetValueOrDefault(value, []) : [];

    private string Hint(string word, Func<IEnumerable<string>> candidates) =>
        ++_hints <= ManifestLimits.HintsPerSet ? Spelling.Hint(word, candidates().Take(ManifestLimits.HintCandidates)) : string.Empty;

    private void Add(Workload workload)
    {
        _all.Add(workload);
        _workloads[workload.Namespace].Add(workload);
        foreach (var (key, value) in workload.Labels)
        {
            Listed(Listed(_byLabel, key), value).Add(workload);
        }

        foreach (var name in workload.Ports.Select(port => port.Name).Distinct())
        {
            Listed(_byPortName, name).Add(workload);
        }
    }

    private static T Listed<T>(Dictionary<string, T> table, string key)
        where T : new()
    {
        if (!table.TryGetValue(key, out var entry))
        {
            table.Add(key, entry = new T());
        }

        return entry;
    }

    private void Mention(string space)
    {
        _workloads.TryAdd(space, []);
        _namespaces.TryAdd(space, LabelSet.Of((Namespace.NameLabel, space)));
    }
}
