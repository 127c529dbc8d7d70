using System.Collections.Immutable;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <content>From what changed to change sets.</content>
public sealed partial class PolicyCompiler
{
    private readonly List<EndpointState> _toPublish = [];
    private readonly List<DirectionRules> _scratch = [];

    /// <summary>The whole world as of the last flush, with the numbers that earlier change sets gave it. Flush first.</summary>
    /// <param name="revision">The revision of the last flush.</param>
    public ChangeSet Snapshot(long revision) => new()
    {
        Revision = revision,
        Replace = true,
        PeerSets = [.. _peerSets.All.Select(peers => new PeerSetDelta(peers.Id, peers.Description, peers.Prefixes, []))],
        RuleSets = [.. _ruleSets.All.Select(entry => entry.Current!)],
        Endpoints = [.. _inventory.Pods.Where(pod => pod.Endpoint is not null).Select(pod => pod.Endpoint!.Published!)],
    };

    private void ChooseRules(PodState pod)
    {
        var isEndpoint = _inventory.Find(pod.Workload.Key.NamespacedName) == pod && IsEndpoint(pod.Workload);
        _selfEndpoints.Remove(pod);
        if (isEndpoint && pod.Workload.Side == InterfaceSide.Self)
        {
            _selfEndpoints.Add(pod);
        }

        if (isEndpoint)
        {
            _endpointCount += pod.Endpoint is null ? 1 : 0;
            pod.Endpoint ??= new EndpointState(pod);
        }
        else if (pod.Endpoint is null)
        {
            return;
        }

        var state = pod.Endpoint;
        state.Ingress = _ruleSets.Move(pod, state.Ingress, isEndpoint ? KeyFor(pod, Direction.Ingress) : null);
        state.Egress = _ruleSets.Move(pod, state.Egress, isEndpoint ? KeyFor(pod, Direction.Egress) : null);
        if (isEndpoint)
        {
            Publish(state);
            return;
        }

        _endpointCount--;
        pod.Endpoint = null;
        if (state.Published is { } published)
        {
            _removedEndpoints.Add((pod, published.Workload));
        }
    }

    private bool IsEndpoint(Workload workload) =>
        !workload.HostNetwork
        && !workload.Finished
        && (_options.NodeName is null || workload.NodeName is null || workload.NodeName == _options.NodeName)
        && (!workload.Addresses.IsEmpty || workload.Interface is not null || IsScheduledHere(workload));

    /// <summary>Its interface may be known by name before its address is known at all.</summary>
    private bool IsScheduledHere(Workload workload) => workload.NodeName is { } node && node == _options.NodeName;

    private RuleSetKey? KeyFor(PodState pod, Direction direction)
    {
        _scratch.Clear();
        foreach (var selection in pod.Matches)
        {
            foreach (var policy in selection.Policies)
            {
                if ((direction == Direction.Ingress ? policy.Ingress : policy.Egress) is { } rules)
                {
                    _scratch.Add(rules);
                }
            }
        }

        if (_scratch.Count == 0 && _options.Mode != EnforcementMode.Strict)
        {
            return null;
        }

        _scratch.Sort();
        var node = pod.Workload.Side == InterfaceSide.Self ? null : _nodes.NodeOf(pod.Workload);
        return new RuleSetKey(direction, [.. _scratch], node, OwnPorts(pod, direction), SelfBackends(pod, direction));
    }

    private EquatableArray<NamedPort> OwnPorts(PodState pod, Direction direction)
    {
        if (direction == Direction.Egress || pod.Workload.Ports.IsEmpty || !_scratch.Exists(rules => rules.HasNames))
        {
            return [];
        }

        var own = new List<NamedPort>();
        foreach (var port in pod.Workload.Ports.Distinct())
        {
            if (_scratch.Exists(policy => policy.Rules.Exists(rule => rule.Names.Exists(name => name.Means(port)))))
            {
                own.Add(port);
            }
        }

        return own.Count < 2
            ? own.ToEquatableArray()
            : own.OrderBy(port => port.Name, StringComparer.Ordinal).ThenBy(port => port.Protocol).ThenBy(port => port.Port).ToEquatableArray();
    }

    private EquatableArray<SelfBackend> SelfBackends(PodState pod, Direction direction)
    {
        if (direction == Direction.Ingress || pod.Services.Count == 0)
        {
            return [];
        }

        // Where NetworkPolicies alone decide, a pod always reaches itself: replicas then share their rule sets.
        var isExact = _scratch.Exists(rules => rules.Tier != RuleTierKind.NetworkPolicy);
        return _services.FrontendsOf(pod)
            .SelectMany(frontend => frontend.Backends, (frontend, backend) => (frontend, backend))
            .Where(pair => pair.backend.Pod == pod)
            .Select(pair => isExact
                ? new SelfBackend(pair.frontend.Key, pair.backend.Address, pair.backend.Port)
                : new SelfBackend(pair.frontend.Key, default, 0))
            .Distinct()
            .OrderBy(self => self.Frontend).ThenBy(self => self.Address).ThenBy(self => self.Port)
            .ToEquatableArray();
    }

    /// <summary>Decides Services again where something that decides them changed. Rule sets built in this flush have decided already.</summary>
    private void DecideServices(bool isNodeSetChanged)
    {
        // With the first cluster IP rule sets start to decide Services, and with the last they stop.
        var isAll = isNodeSetChanged || _hasClusterIps != _services.ClusterIps.Count > 0;
        _hasClusterIps = _services.ClusterIps.Count > 0;
        if (!isAll && _changes.Frontends.Count == 0)
        {
            return;
        }

        foreach (var entry in _ruleSets.All)
        {
            if (entry.Key.Direction == Direction.Egress && Decide(entry, isAll) && _ruleSets.Compose(entry))
            {
                Publish(entry);
            }
        }
    }

    private bool Decide(RuleSetEntry entry, bool isAll)
    {
        // Frontends that are gone are among the changed ones only.
        var isOther = entry.Decide(_changes.Frontends);
        if (isAll)
        {
            _ruleSets.DecideServices(entry);
        }

        return isOther || isAll;
    }

    private ChangeSet Collect(long revision)
    {
        RebuildChanged();
        _ruleSets.Sweep();
        var removedPeerSets = ImmutableArray.CreateBuilder<PeerSetId>();
        var freed = new List<int>();
        var unserved = _changes.NamedPorts.SelectMany(group => group.RemoveUnserved()).ToList();
        _peerSets.Sweep(Remove);
        unserved.ForEach(Remove);
        var peerSets = TakePeerSets();
        var (ruleSets, removedRuleSets) = _ruleSets.TakeChanges();
        var endpoints = TakeEndpoints();
        freed.ForEach(_changes.PeerSetIds.Return);
        _changes.Clear(LargeBatch);
        var removedEndpoints = _removedEndpoints.Where(removed => _inventory.Find(removed.Name)?.Endpoint is null)
            .Select(removed => removed.Name).Distinct().ToImmutableArray();
        _removedEndpoints.Clear();
        return new ChangeSet
        {
            Revision = revision,
            PeerSets = peerSets,
            RemovedPeerSets = removedPeerSets.DrainToImmutable(),
            RuleSets = [.. ruleSets],
            RemovedRuleSets = [.. removedRuleSets],
            Endpoints = endpoints,
            RemovedEndpoints = removedEndpoints,
        };

        void Remove(PeerSetState peers)
        {
            peers.IsGone = true;
            freed.Add(peers.Id.Value);
            _changes.PeerSetsById.Remove(peers.Id.Value);
            if (peers.IsAnnounced)
            {
                removedPeerSets.Add(peers.Id);
            }
        }
    }

    private void RebuildChanged()
    {
        foreach (var group in _changes.NamedPorts)
        {
            group.IsChanged = false;
            foreach (var entry in group.Users.ToArray())
            {
                if (_ruleSets.Build(entry))
                {
                    Publish(entry);
                }
            }
        }
    }

    private void Publish(RuleSetEntry entry)
    {
        foreach (var pod in entry.Users)
        {
            Publish(pod.Endpoint!);
        }
    }

    private void Publish(EndpointState state)
    {
        if (!state.IsChanged)
        {
            state.IsChanged = true;
            _toPublish.Add(state);
        }
    }

    private ImmutableArray<PeerSetDelta> TakePeerSets()
    {
        var deltas = ImmutableArray.CreateBuilder<PeerSetDelta>(_changes.PeerSets.Count);
        foreach (var peers in _changes.PeerSets)
        {
            if (!peers.IsGone && peers.TakeDelta() is { } delta)
            {
                deltas.Add(delta);
            }
        }

        return deltas.DrainToImmutable();
    }

    private ImmutableArray<Endpoint> TakeEndpoints()
    {
        var endpoints = ImmutableArray.CreateBuilder<Endpoint>(_toPublish.Count);
        foreach (var state in _toPublish)
        {
            state.IsChanged = false;
            var (pod, workload) = (state.Pod, state.Pod.Workload);
            if (pod.Endpoint != state)
            {
                continue;
            }

            var endpoint = new Endpoint(
                workload.Key.NamespacedName,
                workload.Interface,
                workload.Side,
                _inventory.Addresses.AllOwnedBy(pod),
                state.Ingress?.Current!.Id,
                state.Egress?.Current!.Id);
            if (endpoint != state.Published)
            {
                state.Published = endpoint;
                endpoints.Add(endpoint);
            }
        }

        _toPublish.Clear();
        _toPublish.Capacity = Math.Min(_toPublish.Capacity, LargeBatch);
        return endpoints.DrainToImmutable();
    }
}
