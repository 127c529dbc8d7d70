using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables;

/// <summary>What the change sets so far add up to.</summary>
internal sealed class World
{
    /// <summary>The prefixes of every peer set.</summary>
    public Dictionary<PeerSetId, HashSet<IpPrefix>> PeerSets { get; } = [];

    /// <summary>The rule sets.</summary>
    public Dictionary<RuleSetId, RuleSet> RuleSets { get; } = [];

    /// <summary>The endpoints.</summary>
    public SortedDictionary<NamespacedName, Endpoint> Endpoints { get; } = [];

    /// <summary>Takes over a change set, whether or not the kernel already has it.</summary>
    public void Apply(ChangeSet changes)
    {
        foreach (var delta in changes.PeerSets)
        {
            if (!PeerSets.TryGetValue(delta.Id, out var prefixes))
            {
                PeerSets.Add(delta.Id, prefixes = []);
            }

            prefixes.ExceptWith(delta.Removed);
            prefixes.UnionWith(delta.Added);
        }

        foreach (var rules in changes.RuleSets)
        {
            RuleSets[rules.Id] = rules;
        }

        foreach (var endpoint in changes.Endpoints)
        {
            Endpoints[endpoint.Workload] = endpoint;
        }

        foreach (var id in changes.RemovedPeerSets)
        {
            PeerSets.Remove(id);
        }

        foreach (var id in changes.RemovedRuleSets)
        {
            RuleSets.Remove(id);
        }

        foreach (var name in changes.RemovedEndpoints)
        {
            Endpoints.Remove(name);
        }
    }

    /// <summary>Whether an address is in a peer set.</summary>
    public bool Contains(PeerSetId id, IpAddress address)
    {
        if (PeerSets.TryGetValue(id, out var prefixes))
        {
            for (var length = address.Width; length >= 0; length--)
            {
                if (prefixes.Contains(new IpPrefix(address, length)))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>The world as one change set.</summary>
    public ChangeSet AsReplacement(long revision) => new()
    {
        Revision = revision,
        Replace = true,
        PeerSets = [.. PeerSets.Select(set => new PeerSetDelta(set.Key, string.Empty, [.. set.Value], []))],
        RuleSets = [.. RuleSets.Values],
        Endpoints = [.. Endpoints.Values],
    };
}
