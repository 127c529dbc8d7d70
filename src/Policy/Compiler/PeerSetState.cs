using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>A peer set that some rule set uses, and its changes since the last change set.</summary>
internal abstract class PeerSetState(int id)
{
    // Null when nothing changed: there are many sets, and few change at a time.
    private List<(IpPrefix Prefix, bool Added)>? _log;

    public PeerSetId Id { get; } = new(id);

    /// <summary>What it selects, for people.</summary>
    public abstract string Description { get; }

    /// <summary>What it is interned by; null for those of a named port, which their group keeps.</summary>
    public PeerSpec? Spec { get; init; }

    public int References { get; set; }

    /// <summary>Whether a change set has named it.</summary>
    public bool IsAnnounced { get; private set; }

    /// <summary>Scratch mark of the rule set that named it last.</summary>
    public int Mark { get; set; }

    /// <summary>Whether nothing refers to it any more.</summary>
    public bool IsGone { get; set; }

    /// <summary>Whether it waits to be put into the next change set.</summary>
    public bool IsChanged { get; set; }

    /// <summary>Every prefix in it now.</summary>
    public abstract ImmutableArray<IpPrefix> Prefixes { get; }

    /// <summary>Whether an address is in it now.</summary>
    public abstract bool Contains(IpAddress address);

    /// <summary>Notes that a prefix entered or left; what enters before the set is announced is announced with it.</summary>
    public void Log(IpPrefix prefix, bool added)
    {
        if (IsAnnounced)
        {
            (_log ??= []).Add((prefix, added));
        }
    }

    /// <summary>What changed since the last time, or null; a set that was never announced is always news.</summary>
    public PeerSetDelta? TakeDelta()
    {
        IsChanged = false;
        if (!IsAnnounced)
        {
            IsAnnounced = true;
            return new PeerSetDelta(Id, Description, Prefixes, []);
        }

        var (added, removed) = _log is null ? ([], []) : Net(_log);
        _log = null;
        return added.IsEmpty && removed.IsEmpty ? null : new PeerSetDelta(Id, Description, added, removed);
    }

    // A prefix enters and leaves in turn, so it changed when it did an odd number of times, and as it did last.
    private static (ImmutableArray<IpPrefix> Added, ImmutableArray<IpPrefix> Removed) Net(List<(IpPrefix Prefix, bool Added)> log)
    {
        if (!log.Exists(entry => !entry.Added))
        {
            return (ImmutableCollectionsMarshal.AsImmutableArray(log.ConvertAll(entry => entry.Prefix).ToArray()), []);
        }

        var net = new Dictionary<IpPrefix, int>();
        foreach (var (prefix, added) in log)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(net, prefix, out _) += added ? 1 : -1;
        }

        return ([.. net.Where(entry => entry.Value > 0).Select(entry => entry.Key)],
            [.. net.Where(entry => entry.Value < 0).Select(entry => entry.Key)]);
    }
}

/// <summary>The addresses of a selection's pods, or of those that serve a port under some name. Membership follows from the pods and is not stored.</summary>
internal sealed class PodPeerSet(int id, PodPeers pods) : PeerSetState(id)
{
    public override string Description => Spec?.ToString() ?? $"{Pods}";

    public PodPeers Pods { get; } = pods;

    /// <summary>Addresses that do not count: of the node of the endpoints it is made for.</summary>
    public ImmutableHashSet<IpAddress> Hidden { get; set; } = [];

    public override ImmutableArray<IpPrefix> Prefixes => Pods.Prefixes(Hidden);

    public override bool Contains(IpAddress address) => !Hidden.Contains(address) && Pods.Contains(address);
}

/// <summary>A set that is computed as a whole when what it depends on changes.</summary>
internal sealed class ComputedPeerSet(int id) : PeerSetState(id)
{
    public override string Description => $"{Spec}";

    private HashSet<IpPrefix> _prefixes = [];

    /// <summary>The tier that accepts it when it is a node's addresses: every rule set has that, so they share it.</summary>
    public RuleTier? NodeTier { get; set; }

    public override ImmutableArray<IpPrefix> Prefixes => [.. _prefixes];

    public override bool Contains(IpAddress address)
    {
        foreach (var prefix in _prefixes)
        {
            if (prefix.Contains(address))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Lets a prefix enter or leave; whether that changed anything.</summary>
    public bool Change(IpPrefix prefix, bool added)
    {
        var changed = added ? _prefixes.Add(prefix) : _prefixes.Remove(prefix);
        if (changed)
        {
            Log(prefix, added);
        }

        return changed;
    }

    /// <summary>Makes these its prefixes; whether that changed anything.</summary>
    public bool Become(IEnumerable<IpPrefix> prefixes)
    {
        var next = prefixes.ToHashSet();
        var changed = false;
        foreach (var prefix in _prefixes)
        {
            if (!next.Contains(prefix))
            {
                Log(prefix, added: false);
                changed = true;
            }
        }

        foreach (var prefix in next)
        {
            if (!_prefixes.Contains(prefix))
            {
                Log(prefix, added: true);
                changed = true;
            }
        }

        _prefixes = next;
        return changed;
    }
}

/// <summary>Cluster IPs that one rule set decides in one way at one port. Who is in it is known there and not stored.</summary>
internal sealed class ServicePeerSet(int id, ServiceGroupSpec group) : PeerSetState(id)
{
    public override string Description => $"{Group}";

    public ServiceGroupSpec Group { get; } = group;

    /// <summary>The number of cluster IPs in it.</summary>
    public int Count { get; set; }

    public override ImmutableArray<IpPrefix> Prefixes => Group.Owner.PrefixesOf(this);

    public override bool Contains(IpAddress address) => Prefixes.Contains(IpPrefix.Host(address));
}
