using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>The peer sets that rule sets use, interned by what they select.</summary>
internal sealed class PeerSetTable(PodInventory inventory, NodeBook nodes, ServiceTable services, ChangeLog changes)
{
    private readonly Dictionary<PeerSpec, PeerSetState> _sets = [];
    private readonly Dictionary<NamedPortPeers, NamedPortGroup> _groups = [];
    private int _mark;
    private readonly List<PeerSetState> _unusedSets = [];
    private readonly List<NamedPortGroup> _unusedGroups = [];

    /// <summary>The number of interned sets, those of named ports not included.</summary>
    public int Count => _sets.Count;

    /// <summary>The number of named ports.</summary>
    public int GroupCount => _groups.Count;

    /// <summary>A mark no set has.</summary>
    public int NextMark() => ++_mark;

    /// <summary>Every peer set.</summary>
    public IEnumerable<PeerSetState> All => _sets.Values.Concat(_groups.Values.SelectMany(group => group.PeerSets));

    /// <summary>The set that selects this; the caller counts its reference.</summary>
    public PeerSetState Get(PeerSpec spec)
    {
        if (!_sets.TryGetValue(spec, out var peers))
        {
            _sets.Add(spec, peers = Create(spec, changes.PeerSetIds.Take()));
            changes.PeerSetsById[peers.Id.Value] = peers;
            changes.PeerSetChanged(peers);
        }

        return peers;
    }

    /// <summary>The set of a group of Services; the next <see cref="Sweep"/> takes it unless a rule set refers to it by then.</summary>
    public ServicePeerSet Get(ServiceGroupSpec spec)
    {
        var peers = (ServicePeerSet)Get((PeerSpec)spec);
        if (peers.References == 0)
        {
            _unusedSets.Add(peers);
        }

        return peers;
    }

    /// <summary>Notes that a cluster IP entered or left a group of Services.</summary>
    public void MemberChanged(ServicePeerSet peers, IpAddress clusterIp, bool added) => changes.MemberChanged(peers, clusterIp, added);

    /// <summary>The set with this number.</summary>
    public PeerSetState Find(PeerSetId id) => changes.PeerSetsById[id.Value];

    /// <summary>The numbers a port name stands for among some pods; the caller puts itself among its users.</summary>
    public NamedPortGroup Get(NamedPortPeers key)
    {
        if (_groups.TryGetValue(key, out var group))
        {
            return group;
        }

        var selection = inventory.GetSelection(key.Pods);
        selection.References++;
        group = new NamedPortGroup(key, selection) { Hidden = HiddenBy(key.HiddenNode) };
        foreach (var pod in inventory.PodsOf(selection))
        {
            inventory.JoinGroup(group, pod);
        }

        selection.NamedPorts.Add(group);
        _groups.Add(key, group);
        return group;
    }

    /// <summary>Brings the set of every cluster IP up to date.</summary>
    public void ClusterIpsChanged(List<(IpAddress Address, bool Added)> clusterIps)
    {
        if (_sets.GetValueOrDefault(new ClusterIpsSpec()) is not ComputedPeerSet peers)
        {
            return;
        }

        foreach (var (address, added) in clusterIps)
        {
            if (peers.Change(IpPrefix.Host(address), added))
            {
                changes.PeerSetChanged(peers);
            }
        }
    }

    /// <summary>Recomputes what depends on nodes; true when that changed some set.</summary>
    public bool NodesChanged()
    {
        var changed = false;
        foreach (var (spec, peers) in _sets)
        {
            switch (spec)
            {
                case PodSpec { HiddenNode: { } node }:
                    changed |= Hide((PodPeerSet)peers, nodes.AddressesOf(node));
                    break;
                case NodesSpec or OwnNodeSpec when ((ComputedPeerSet)peers).Become(Compute(spec)):
                    changes.PeerSetChanged(peers);
                    changed = true;
                    break;
            }
        }

        foreach (var group in _groups.Values.Where(group => group.Key.HiddenNode is not null))
        {
            group.Hidden = HiddenBy(group.Key.HiddenNode);
            foreach (var peers in group.PeerSets.Cast<PodPeerSet>())
            {
                changed |= Hide(peers, group.Hidden);
            }
        }

        return changed;
    }

    /// <summary>Gives a rule set's references back, for <see cref="Sweep"/> to find what nothing refers to.</summary>
    public void Release(RuleSetEntry entry, PeerSetState[] sets, NamedPortGroup[] groups)
    {
        foreach (var peers in sets)
        {
            if (--peers.References == 0)
            {
                _unusedSets.Add(peers);
            }
        }

        foreach (var group in groups)
        {
            group.Users.Remove(entry);
            if (group.Users.Count == 0)
            {
                _unusedGroups.Add(group);
            }
        }
    }

    /// <summary>Forgets what lost its last reference and found no new one, and tells of each set that goes.</summary>
    public void Sweep(Action<PeerSetState> gone)
    {
        foreach (var peers in _unusedSets)
        {
            if (peers.References == 0 && _sets.Remove(peers.Spec!))
            {
                gone(peers);
                if (peers is PodPeerSet pods)
                {
                    pods.Pods.Selection.PeerSets.Remove(pods);
                    Release(pods.Pods.Selection);
                }
            }
        }

        foreach (var group in _unusedGroups)
        {
            if (group.Users.Count == 0 && _groups.Remove(group.Key))
            {
                foreach (var peers in group.PeerSets)
                {
                    gone(peers);
                }

                group.Selection.NamedPorts.Remove(group);
                Release(group.Selection);
            }
        }

        _unusedSets.Clear();
        _unusedGroups.Clear();
    }

    /// <summary>Gives a reference to a selection back.</summary>
    public void Release(Selection selection)
    {
        if (--selection.References == 0)
        {
            inventory.Drop(selection);
        }
    }

    private PeerSetState Create(PeerSpec spec, int id)
    {
        if (spec is PodSpec pods)
        {
            var selection = inventory.GetSelection(pods.Pods);
            selection.References++;
            var peers = new PodPeerSet(id, new PodPeers(inventory, selection, null, null))
            {
                Spec = spec,
                Hidden = HiddenBy(pods.HiddenNode),
            };
            selection.PeerSets.Add(peers);
            return peers;
        }

        if (spec is ServiceGroupSpec services)
        {
            return new ServicePeerSet(id, services) { Spec = spec };
        }

        var computed = new ComputedPeerSet(id) { Spec = spec };
        computed.Become(Compute(spec));
        return computed;
    }

    private IEnumerable<IpPrefix> Compute(PeerSpec spec) => spec switch
    {
        BlockSpec blocks => blocks.ToPrefixes(),
        NodesSpec selected => nodes.Nodes.Where(node => LabelMatching.Matches(selected.Nodes, node.Labels))
            .SelectMany(node => node.Addresses).Select(IpPrefix.Host),
        OwnNodeSpec { Outside: false } own => nodes.AddressesOf(own.Node).Select(IpPrefix.Host),
        ClusterIpsSpec => services.ClusterIps.Select(IpPrefix.Host),
        OwnNodeSpec own => Outside(nodes.AddressesOf(own.Node)),
        _ => throw new ArgumentException($"{spec} is not computed.", nameof(spec)),
    };

    private static IEnumerable<IpPrefix> Outside(ImmutableHashSet<IpAddress> addresses)
    {
        IpPrefix[] holes = [.. addresses.Select(IpPrefix.Host)];
        return PrefixMath.Everything.SelectMany(all => PrefixMath.Subtract(all, holes));
    }

    private ImmutableHashSet<IpAddress> HiddenBy(string? node) => node is null ? [] : nodes.AddressesOf(node);

    private bool Hide(PodPeerSet peers, ImmutableHashSet<IpAddress> hidden)
    {
        var (before, changed) = (peers.Hidden, false);
        peers.Hidden = hidden;
        foreach (var address in before.Except(hidden).Where(peers.Pods.Contains))
        {
            changes.MemberChanged(peers, address, added: true);
            changed = true;
        }

        foreach (var address in hidden.Except(before).Where(peers.Pods.Contains))
        {
            changes.MemberChanged(peers, address, added: false);
            changed = true;
        }

        return changed;
    }
}
