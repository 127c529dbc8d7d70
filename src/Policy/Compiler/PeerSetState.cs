using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>A peer set that some rule set uses, and its changes since the last change set.</summary>
internal abstract class PeerSetState(int id, string description)
{
    private readonly List<(IpPrefix Prefix, bool Added)> _log = [];

    public PeerSetId Id { get; } = new(id);

    public string Description { get; } = description;

    /// <summary>What it is interned by; null for those of a named port, which their group keeps.</summary>
    public PeerSpec? Spec { get; init; }

    public int References { get; set; }

    /// <summary>Whether a change set has named it.</summary>
    public bool IsAnnounced { get; private set; }

    /// <summary>Whether nothing refers to it any more.</summary>
    public bool IsGone { get; set; }

    /// <summary>Whether it waits to be put into the next change set.</summary>
    public bool IsChanged { get; set; }

    /// <summary>Every prefix in it now.</summary>
    public abstract IEnumerable<IpPrefix> Prefixes { get; }

    /// <summary>Whether an address is in it now.</summary>
    public abstract bool Contains(IpAddress address);

    /// <summary>Notes that a prefix entered or left.</summary>
    public void Log(IpPrefix prefix, bool added) => _log.Add((prefix, added));

    /// <summary>What changed since the last time, or null; a set that was never announced is always news.</summary>
    public PeerSetDelta? TakeDelta()
    {
        IsChanged = false;
        var (added, removed) = Net();
        _log.Clear();
        if (_log.Capacity > 16)
        {
            _log.Capacity = 0;
        }

        if (IsAnnounced && added.IsEmpty && removed.IsEmpty)
        {
            return null;
        }

        IsAnnounced = true;
        return new PeerSetDelta(Id, Description, added, removed);
    }

    // A prefix enters and leaves in turn, so it changed when it did an odd number of times, and as it did last.
    private (ImmutableArray<IpPrefix> Added, ImmutableArray<IpPrefix> Removed) Net()
    {
        if (!_log.Exists(entry => !entry.Added))
        {
            return (ImmutableCollectionsMarshal.AsImmutableArray(_log.ConvertAll(entry => entry.Prefix).ToArray()), []);
        }

        var net = new Dictionary<IpPrefix, int>();
        foreach (var (prefix, added) in _log)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(net, prefix, out _) += added ? 1 : -1;
        }

        return ([.. net.Where(entry => entry.Value > 0).Select(entry => entry.Key)],
            [.. net.Where(entry => entry.Value < 0).Select(entry => entry.Key)]);
    }
}

/// <summary>The addresses of a selection's pods, or of those that serve a port under some name. Membership follows from the pods and is not stored.</summary>
internal sealed class PodPeerSet(int id, string description, PodPeers pods) : PeerSetState(id, description)
{
    public PodPeers Pods { get; } = pods;

    /// <summary>Addresses that do not count: of the node of the endpoints it is made for.</summary>
    public IReadOnlySet<IpAddress> Hidden { get; set; } = ImmutableHashSet<IpAddress>.Empty;

    public override IEnumerable<IpPrefix> Prefixes => Pods.Addresses().Where(address => !Hidden.Contains(address)).Select(IpPrefix.Host);

    public override bool Contains(IpAddress address) => !Hidden.Contains(address) && Pods.Contains(address);
}

/// <summary>A set that is computed as a whole when what it depends on changes.</summary>
internal sealed class ComputedPeerSet(int id, string description) : PeerSetState(id, description)
{
    private HashSet<IpPrefix> _prefixes = [];

    public override IEnumerable<IpPrefix> Prefixes => _prefixes;

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
