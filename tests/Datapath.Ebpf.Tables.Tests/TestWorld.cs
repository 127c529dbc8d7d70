using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

/// <summary>What a verdict means, whatever its number.</summary>
internal sealed record Outcome(uint Kind, RuleReference? Rule);

/// <summary>Peer sets and rule sets as plain collections, judged rule by rule from their documentation.</summary>
internal sealed class TestWorld
{
    public Dictionary<PeerSetId, HashSet<IpPrefix>> PeerSets { get; } = [];

    public Dictionary<RuleSetId, RuleSet> RuleSets { get; } = [];

    public static RuleReference Reference(string name, int? rule = null) =>
        new(RuleOrigin.NetworkPolicy, new NamespacedName("default", name), rule);

    public static Rule Rule(string name, RuleAction action, int[]? peers, params PortRange[]? ports) => new(
        action,
        peers is null ? null : new EquatableArray<PeerSetId>([.. peers.Select(id => new PeerSetId(id))]),
        ports is null or [] ? null : new EquatableArray<PortRange>([.. ports]),
        Reference(name, 0));

    public static ChangeSet AddPrefixes(int set, params string[] prefixes) => Delta(set, prefixes, []);

    public static ChangeSet RemovePrefixes(int set, params string[] prefixes) => Delta(set, [], prefixes);

    public static ChangeSet Delta(int set, string[] added, string[] removed) => new()
    {
        Revision = 1,
        PeerSets = [new PeerSetDelta(new PeerSetId(set), "test", [.. added.Select(IpPrefix.Parse)], [.. removed.Select(IpPrefix.Parse)])],
    };

    public static ChangeSet AddRules(int id, params RuleTier[] tiers) => new()
    {
        Revision = 1,
        RuleSets = [new RuleSet(new RuleSetId(id), Direction.Ingress, [.. tiers])],
    };

    /// <summary>Takes in additions and changes; what is on its way out does not change any more.</summary>
    public void Apply(ChangeSet changes)
    {
        foreach (var delta in changes.PeerSets.Where(delta => !changes.RemovedPeerSets.Contains(delta.Id)))
        {
            var prefixes = PeerSets.TryGetValue(delta.Id, out var known) ? known : PeerSets[delta.Id] = [];
            prefixes.ExceptWith(delta.Removed);
            prefixes.UnionWith(delta.Added);
        }

        foreach (var ruleSet in changes.RuleSets)
        {
            RuleSets.Add(ruleSet.Id, ruleSet);
        }
    }

    /// <summary>Takes out what is removed.</summary>
    public void Complete(ChangeSet changes)
    {
        changes.RemovedRuleSets.ToList().ForEach(id => RuleSets.Remove(id));
        changes.RemovedPeerSets.ToList().ForEach(id => PeerSets.Remove(id));
    }

    public Outcome Judge(RuleSet ruleSet, IpAddress address, uint transport, ushort port)
    {
        var enforced = Judge(ruleSet.Tiers, address, transport, port);
        if (ruleSet.Audit is not { } audit || enforced.Kind != Verdict.Allow)
        {
            return enforced;
        }

        var audited = Judge(audit, address, transport, port);
        return audited.Kind == Verdict.Allow ? enforced : new Outcome(audited.Kind == Verdict.Isolated ? Verdict.AuditIsolated : Verdict.Audit, audited.Rule);
    }

    private Outcome Judge(EquatableArray<RuleTier> tiers, IpAddress address, uint transport, ushort port)
    {
        foreach (var tier in tiers)
        {
            var match = tier.Rules.FirstOrDefault(rule => Matches(rule, address, transport, port));
            switch (match?.Action)
            {
                case RuleAction.Accept:
                    return new Outcome(Verdict.Allow, match.Reference);
                case RuleAction.Deny:
                    return new Outcome(Verdict.Deny, match.Reference);
                case null when tier.Isolation is not null:
                    return new Outcome(tier.Kind == RuleTierKind.NetworkPolicy ? Verdict.Isolated : Verdict.Deny, tier.Isolation);
                default:
                    break;
            }
        }

        return new Outcome(Verdict.Allow, null);
    }

    private bool Matches(Rule rule, IpAddress address, uint transport, ushort port)
    {
        var protocol = transport switch { 0 => IpProtocol.Tcp, 1 => IpProtocol.Udp, 2 => IpProtocol.Sctp, _ => default };
        var peer = rule.Peers is not { } peers || peers.Any(id => PeerSets[id].Any(prefix => prefix.Contains(address)));
        return peer && (rule.Ports is not { } ports || ports.Any(range => range.Protocol == protocol && range.First <= port && port <= range.Last));
    }
}
