using System.Runtime.InteropServices;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>Spells out the tiers of one rule set at a time and collects what they refer to.</summary>
internal sealed class RuleSetBuilder(PeerSetTable table, bool isStrict)
{
    private static readonly RuleReference NodeReference = new(RuleOrigin.Portcullis, new NamespacedName(string.Empty, "node"), null);
    private static readonly RuleReference StrictReference = new(RuleOrigin.Portcullis, new NamespacedName(string.Empty, "strict"), null);

    private readonly List<RuleTier> _tiers = [];
    private readonly List<Rule> _rules = [];
    private RuleSetKey _key = null!;
    private int _mark;

    /// <summary>The peer sets the tiers built last name, each once.</summary>
    public List<PeerSetState> PeerSets { get; } = [];

    /// <summary>The named ports the tiers built last spell out, each once.</summary>
    public HashSet<NamedPortGroup> NamedPorts { get; } = [];

    /// <summary>The tiers as enforced, and as they would be with the policies in audit mode; null when that is the same.</summary>
    public (EquatableArray<RuleTier> Tiers, EquatableArray<RuleTier>? Audit) Build(RuleSetKey key)
    {
        _key = key;
        _mark = table.NextMark();
        PeerSets.Clear();
        NamedPorts.Clear();
        if (!Array.Exists(key.Policies, policy => policy.Audit))
        {
            return (BuildTiers(key.Policies), null);
        }

        var tiers = BuildTiers(Array.FindAll(key.Policies, policy => !policy.Audit));
        var audit = BuildTiers(key.Policies);
        return (tiers, audit == tiers ? null : audit);
    }

    private EquatableArray<RuleTier> BuildTiers(DirectionRules[] policies)
    {
        if (policies.Length == 0 && !isStrict)
        {
            return [];
        }

        _tiers.Clear();
        AddClusterTier(RuleTierKind.Admin, policies);
        if (_key.Node is { } node)
        {
            _tiers.Add(NodeTier(node));
        }

        var isolating = Array.Find(policies, policy => policy.Isolation is not null);
        if (isolating is not null || isStrict)
        {
            var rules = BuildRules(RuleTierKind.NetworkPolicy, policies);
            _tiers.Add(new RuleTier(RuleTierKind.NetworkPolicy, rules, isolating?.Isolation ?? StrictReference));
        }

        AddClusterTier(RuleTierKind.Baseline, policies);
        return EquatableArray.Create<RuleTier>(CollectionsMarshal.AsSpan(_tiers));
    }

    private void AddClusterTier(RuleTierKind kind, DirectionRules[] policies)
    {
        var rules = BuildRules(kind, policies);
        if (!rules.IsEmpty)
        {
            _tiers.Add(new RuleTier(kind, rules));
        }
    }

    private EquatableArray<Rule> BuildRules(RuleTierKind kind, DirectionRules[] policies)
    {
        _rules.Clear();
        foreach (var policy in policies)
        {
            if (policy.Tier == kind)
            {
                foreach (var rule in policy.Rules)
                {
                    AddRule(kind, rule);
                }
            }
        }

        return EquatableArray.Create<Rule>(CollectionsMarshal.AsSpan(_rules));
    }

    private RuleTier NodeTier(string node)
    {
        var peers = (ComputedPeerSet)table.Get(new OwnNodeSpec(node, false));
        Use(peers);
        return peers.NodeTier ??= new RuleTier(RuleTierKind.Node, [new Rule(RuleAction.Accept, [peers.Id], null, NodeReference)]);
    }

    private void AddRule(RuleTierKind kind, RuleSpec rule)
    {
        // Only a Deny that comes before the Node tier can hit traffic with the own node, and only nodes and networks may.
        var protectedNode = kind == RuleTierKind.Admin && rule.Action == RuleAction.Deny ? _key.Node : null;
        if (rule.FailsClosed)
        {
            AddFailClosed(kind, rule);
            return;
        }

        var ports = rule.Ports;
        if (_key.Direction == Direction.Ingress && !rule.Names.IsEmpty)
        {
            ports = WithOwnPorts(rule);
        }

        if (ports is not { IsEmpty: true })
        {
            _rules.Add(new Rule(rule.Action, UseAll(rule.Peers, protectedNode), ports, rule.Reference));
        }

        if (_key.Direction == Direction.Egress && !rule.Names.IsEmpty)
        {
            AddNamed(rule, protectedNode);
        }
    }

    private EquatableArray<PortRange> WithOwnPorts(RuleSpec rule)
    {
        var ranges = new List<PortRange>(rule.Ports!.Value);
        foreach (var port in _key.OwnPorts)
        {
            if (rule.Names.Exists(name => name.Means(port)))
            {
                ranges.Add(new PortRange(port.Protocol, port.Port, port.Port));
            }
        }

        return PolicyTranslator.Merge(ranges);
    }

    private void AddFailClosed(RuleTierKind kind, RuleSpec rule)
    {
        if (rule.Action == RuleAction.Accept)
        {
            return;
        }

        EquatableArray<PeerSetId>? peers = kind == RuleTierKind.Admin && _key.Node is { } node ? [Use(new OwnNodeSpec(node, true))] : null;
        _rules.Add(new Rule(RuleAction.Deny, peers, null, rule.Reference));
    }

    private void AddNamed(RuleSpec rule, string? protectedNode)
    {
        var byPort = new SortedDictionary<(Net.IpProtocol, ushort), (PortRange Port, List<PeerSetId> Peers)>();
        foreach (var name in rule.Names)
        {
            foreach (var group in Groups(rule, name, protectedNode))
            {
                NamedPorts.Add(group);
                foreach (var (port, peers) in group.Numbers)
                {
                    if (!byPort.TryGetValue((port.Protocol, port.First), out var entry))
                    {
                        byPort.Add((port.Protocol, port.First), entry = (port, []));
                    }

                    entry.Peers.Add(peers.Id);
                }
            }
        }

        foreach (var (port, peers) in byPort.Values)
        {
            _rules.Add(new Rule(rule.Action, peers.Distinct().ToEquatableArray(), [port], rule.Reference));
        }
    }

    private IEnumerable<NamedPortGroup> Groups(RuleSpec rule, PortName name, string? protectedNode)
    {
        if (rule.Peers is not { } peers)
        {
            yield return table.Get(new NamedPortPeers(SelectionKey.Everything, null, null, name.Name, name.Protocol));
            yield break;
        }

        foreach (var peer in peers)
        {
            // Nodes serve no names.
            switch (peer)
            {
                case PodSpec pods:
                    yield return table.Get(new NamedPortPeers(pods.Pods, null, protectedNode, name.Name, name.Protocol));
                    break;
                case BlockSpec block:
                    yield return table.Get(new NamedPortPeers(SelectionKey.Everything, block.ToPrefixes(), null, name.Name, name.Protocol));
                    break;
            }
        }
    }

    private static PeerSpec Protect(PeerSpec peer, string? node) => node is not null && peer is PodSpec pods ? pods with { HiddenNode = node } : peer;

    private EquatableArray<PeerSetId>? UseAll(EquatableArray<PeerSpec>? peers, string? protectedNode) =>
        peers?.ConvertAll((peer, _) => Use(Protect(peer, protectedNode)));

    private PeerSetId Use(PeerSpec spec)
    {
        var peers = table.Get(spec);
        Use(peers);
        return peers.Id;
    }

    private void Use(PeerSetState peers)
    {
        if (peers.Mark != _mark)
        {
            peers.Mark = _mark;
            PeerSets.Add(peers);
        }
    }
}
