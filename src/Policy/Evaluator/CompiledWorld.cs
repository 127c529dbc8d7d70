using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Policy.Evaluator;

/// <summary>What change sets add up to: what a datapath knows, for checking one against.</summary>
public sealed class CompiledWorld
{
    private readonly Dictionary<PeerSetId, HashSet<IpPrefix>> _peerSets = [];
    private readonly Dictionary<RuleSetId, RuleSet> _ruleSets = [];
    private readonly Dictionary<NamespacedName, Endpoint> _endpoints = [];

    /// <summary>The prefixes of every peer set.</summary>
    public IReadOnlyDictionary<PeerSetId, HashSet<IpPrefix>> PeerSets => _peerSets;

    /// <summary>Every rule set.</summary>
    public IReadOnlyDictionary<RuleSetId, RuleSet> RuleSets => _ruleSets;

    /// <summary>Every endpoint.</summary>
    public IReadOnlyDictionary<NamespacedName, Endpoint> Endpoints => _endpoints;

    /// <summary>Takes a change set in.</summary>
    /// <exception cref="InvalidOperationException">The change set breaks the contract of <see cref="ChangeSet"/>.</exception>
    public void Apply(ChangeSet changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        if (changes.Replace)
        {
            _peerSets.Clear();
            _ruleSets.Clear();
            _endpoints.Clear();
        }

        foreach (var delta in changes.PeerSets)
        {
            Apply(delta);
        }

        foreach (var rules in changes.RuleSets)
        {
            Require(_ruleSets.TryAdd(rules.Id, rules), $"rule set {rules.Id.Value} exists already");
        }

        foreach (var endpoint in changes.Endpoints)
        {
            _endpoints[endpoint.Workload] = endpoint;
        }

        foreach (var workload in changes.RemovedEndpoints)
        {
            Require(_endpoints.Remove(workload), $"endpoint {workload} does not exist");
        }

        foreach (var id in changes.RemovedRuleSets)
        {
            Require(_ruleSets.Remove(id), $"rule set {id.Value} does not exist");
        }

        foreach (var id in changes.RemovedPeerSets)
        {
            Require(_peerSets.Remove(id), $"peer set {id.Value} does not exist");
        }

        CheckReferences();
    }

    private void Apply(PeerSetDelta delta)
    {
        if (!_peerSets.TryGetValue(delta.Id, out var prefixes))
        {
            _peerSets.Add(delta.Id, prefixes = []);
        }

        foreach (var prefix in delta.Removed)
        {
            Require(prefixes.Remove(prefix), $"{prefix} is not in peer set {delta.Id.Value}");
        }

        foreach (var prefix in delta.Added)
        {
            Require(prefixes.Add(prefix), $"{prefix} is in peer set {delta.Id.Value} already");
        }
    }

    private void CheckReferences()
    {
        foreach (var rules in _ruleSets.Values)
        {
            foreach (var peers in rules.Tiers.Concat(rules.Audit ?? []).SelectMany(tier => tier.Rules).SelectMany(rule => rule.Peers ?? []))
            {
                Require(_peerSets.ContainsKey(peers), $"rule set {rules.Id.Value} names peer set {peers.Value}, which does not exist");
            }
        }

        foreach (var endpoint in _endpoints.Values)
        {
            foreach (var id in new[] { endpoint.Ingress, endpoint.Egress })
            {
                Require(id is null || _ruleSets.ContainsKey(id.Value), $"endpoint {endpoint.Workload} names rule set {id?.Value}, which does not exist");
            }
        }
    }

    private static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw new InvalidOperationException(problem);
        }
    }
}
