using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Policy.Compiler;

/// <summary>Turns resource changes into rule changes; the work is in proportion to what a change touches.</summary>
/// <remarks>Not thread-safe. Resources are taken in with <see cref="Apply"/> and judged together by the next <see cref="Flush"/>.</remarks>
public sealed partial class PolicyCompiler
{
    // Buffers that grew beyond this for the initial load are given back.
    private const int LargeBatch = 10_000;

    private readonly PolicyOptions _options;
    private readonly ChangeLog _changes = new();
    private readonly NodeBook _nodes;
    private readonly PodInventory _inventory;
    private readonly ServiceTable _services;
    private readonly PeerSetTable _peerSets;
    private readonly RuleSetTable _ruleSets;
    private readonly Dictionary<ResourceKey, PolicyState> _policies = [];
    private readonly Dictionary<ResourceKey, Resource?> _pending = [];
    private readonly List<(PodState Pod, NamespacedName Name)> _removedEndpoints = [];
    private readonly List<RuleSetEntry> _unknownInterface = [];
    private int _endpointCount;
    private bool _nodesChanged;
    private bool _hasClusterIps;

    /// <summary>Creates a compiler that knows of nothing yet.</summary>
    public PolicyCompiler(PolicyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _nodes = new NodeBook(options.NodeName);
        _nodes.SetOwnAddresses(options.NodeAddresses);
        _inventory = new PodInventory(_changes);
        _services = new ServiceTable(_inventory, _changes);
        _peerSets = new PeerSetTable(_inventory, _nodes, _services, _changes);
        _ruleSets = new RuleSetTable(_peerSets, _services, options.Mode == EnforcementMode.Strict);
        if (options.Mode == EnforcementMode.Strict)
        {
            _unknownInterface.Add(_ruleSets.GetPermanent(Direction.Ingress));
            _unknownInterface.Add(_ruleSets.GetPermanent(Direction.Egress));
        }
    }

    /// <summary>How much there is, as of the last <see cref="Flush"/>.</summary>
    public CompilerMetrics Metrics => new(_endpointCount, _policies.Count, _peerSets.Count, _ruleSets.Count, _inventory.SelectionCount);

    /// <summary>
    /// In mode strict, the rule sets that deny everything, for interfaces of pods that are not known (yet); null in the other modes.
    /// Announced by the first change set and valid for the compiler's life.
    /// </summary>
    public (RuleSetId Ingress, RuleSetId Egress)? UnknownInterfaceRules =>
        _unknownInterface.Count == 0 ? null : (_unknownInterface[0].Current!.Id, _unknownInterface[1].Current!.Id);

    /// <summary>Whether nothing is left of anything that was ever applied.</summary>
    internal bool IsEmpty =>
        _inventory.IsEmpty && _services.IsEmpty && _peerSets.Count + _peerSets.GroupCount + _policies.Count + _endpointCount + _policyFindings.Count + _selfEndpoints.Count == 0
        && _ruleSets.Count == _unknownInterface.Count && _nodes.Nodes.Count == 0;

    /// <summary>Takes changes in; of two for one object the later counts.</summary>
    public void Apply(ReadOnlySpan<ResourceChange> changes)
    {
        _pending.EnsureCapacity(_pending.Count + changes.Length);
        foreach (var change in changes)
        {
            _pending[change.Key] = change.Resource;
        }
    }

    /// <summary>Takes the addresses the machine has now beside those of its Node object.</summary>
    public void SetNodeAddresses(IEnumerable<IpAddress> addresses) =>
        _nodesChanged |= _nodes.SetOwnAddresses(addresses.Distinct().Order().ToEquatableArray());

    /// <summary>Everything that changed since the last flush.</summary>
    /// <param name="revision">The revision this leads to.</param>
    public ChangeSet Flush(long revision)
    {
        Take<Namespace>(ResourceKind.Namespace, (key, ns) => _inventory.SetNamespace(key.Name, ns?.Labels));
        Take<Node>(ResourceKind.Node, SetNode);
        Take<NetworkPolicy>(ResourceKind.NetworkPolicy, (key, policy) =>
            SetPolicy(key, policy is null ? null : PolicyTranslator.Translate(policy, _options.Mode)));
        Take<ClusterNetworkPolicy>(ResourceKind.ClusterNetworkPolicy, (key, policy) =>
        {
            SetPolicy(key, policy is null ? null : PolicyTranslator.Translate(policy, _options.Mode));
            FindPolicyProblems(key, policy);
        });
        Take<Workload>(ResourceKind.Workload, SetWorkload);
        Take<EndpointSlice>(ResourceKind.EndpointSlice, (key, slice) => _services.SetSlice(key.NamespacedName, slice));
        Take<Service>(ResourceKind.Service, (key, service) => _services.Set(key.NamespacedName, service));
        _pending.Clear();
        _pending.TrimExcess(_pending.Capacity > LargeBatch ? 0 : _pending.Capacity);
        foreach (var pod in _changes.Endpoints)
        {
            _services.Follow(pod);
        }

        _services.Update();
        _peerSets.ClusterIpsChanged(_services.ClusterIpChanges);
        _services.ClusterIpChanges.Clear();
        var isNodeSetChanged = _nodesChanged && _peerSets.NodesChanged();
        _nodesChanged = false;

        foreach (var pod in _changes.Endpoints)
        {
            pod.IsDirty = false;
            ChooseRules(pod);
        }

        DecideServices(isNodeSetChanged);
        return Collect(revision);
    }

    private void Take<T>(ResourceKind kind, Action<ResourceKey, T?> take)
        where T : Resource
    {
        foreach (var (key, resource) in _pending)
        {
            if (key.Kind == kind)
            {
                take(key, (T?)resource);
            }
        }
    }

    private void SetNode(ResourceKey key, Node? node)
    {
        _nodes.Set(key.Name, node);
        _nodesChanged = true;
    }

    private void SetWorkload(ResourceKey key, Workload? workload)
    {
        if (workload is null)
        {
            _inventory.Remove(key.NamespacedName);
        }
        else if (_inventory.Find(key.NamespacedName)?.Workload.Equals(workload) != true)
        {
            _inventory.Upsert(workload);
        }
    }

    private void SetPolicy(ResourceKey key, TranslatedPolicy? translated)
    {
        _policies.TryGetValue(key, out var policy);
        if (translated is null)
        {
            if (policy is not null)
            {
                _policies.Remove(key);
                RemoveSubject(policy);
            }

            return;
        }

        if (policy is null)
        {
            policy = new PolicyState(AddSubject(translated.Subject));
            _policies.Add(key, policy);
        }
        else if (policy.Subject.Key != translated.Subject)
        {
            RemoveSubject(policy);
            policy.Subject = AddSubject(translated.Subject);
        }
        else if (policy.Ingress == translated.Ingress && policy.Egress == translated.Egress)
        {
            return;
        }
        else
        {
            policy.Subject.Policies.Remove(policy);
        }

        // An unchanged direction keeps its object: that is what rule sets are found by.
        policy.Ingress = policy.Ingress == translated.Ingress ? policy.Ingress : translated.Ingress;
        policy.Egress = policy.Egress == translated.Egress ? policy.Egress : translated.Egress;
        policy.Subject.Policies.Add(policy);
        MarkSubjects(policy.Subject);
    }

    private Selection AddSubject(SelectionKey key)
    {
        var selection = _inventory.GetSelection(key);
        selection.References++;
        return selection;
    }

    private void RemoveSubject(PolicyState policy)
    {
        policy.Subject.Policies.Remove(policy);
        MarkSubjects(policy.Subject);
        _peerSets.Release(policy.Subject);
    }

    private void MarkSubjects(Selection subject)
    {
        foreach (var pod in _inventory.PodsOf(subject))
        {
            _changes.EndpointChanged(pod);
        }
    }
}
