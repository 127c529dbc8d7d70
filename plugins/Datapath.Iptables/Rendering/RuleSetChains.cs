using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>
/// The chains of one rule set for endpoints on one side of their interfaces. A packet that enters one leaves through a
/// verdict chain, always.
/// </summary>
/// <remarks>
/// Besides the chains for packets that open or continue a flow there is a mirror of them for packets that conntrack knows
/// as replies: it judges the flow's forward direction by current rules, with source and destination exchanged. So a change
/// reaches established flows without touching conntrack entries. A packet that the mirror does not allow is judged by the
/// rules of its own direction: what may open a flow may also be part of one.
/// </remarks>
internal sealed class RuleSetChains
{
    private readonly RuleSet _rules;
    private readonly Verdicts _verdicts;
    private readonly string? _ownAddresses;
    private readonly string? _flows;
    private readonly List<Walk> _walks = [];
    private readonly Chain? _wrapper;

    /// <summary>Names the chains of <paramref name="rules"/>.</summary>
    /// <param name="rules">The rule set.</param>
    /// <param name="names">Where names come from.</param>
    /// <param name="verdicts">Where packets end.</param>
    /// <param name="ownAddresses">The set of (own address, interface), without its family; null where none can be a packet's other end.</param>
    /// <param name="flows">Where a reply goes that is none to an allowed flow; null when replies are not judged.</param>
    public RuleSetChains(RuleSet rules, Names names, Verdicts verdicts, string? ownAddresses, string? flows)
    {
        _rules = rules;
        _verdicts = verdicts;
        _ownAddresses = ownAddresses;
        _flows = flows;
        var opposite = rules.Direction == Direction.Ingress ? Direction.Egress : Direction.Ingress;
        var forward = AddWalk(names, 'f', rules.Tiers, rules.Direction, isReply: false);
        Forward = forward;
        Reply = flows is not null ? AddWalk(names, 'b', rules.Tiers, opposite, isReply: true) : null;
        if (rules.Audit is { } audit)
        {
            var wouldBe = AddWalk(names, 'q', audit, rules.Direction, isReply: false, isAudit: true);
            Forward = names.Next('w');
            _wrapper = new Chain(Forward, [$"-j {forward}", $"-g {wouldBe}"]);
        }
    }

    /// <summary>The chain for packets of the rule set's direction.</summary>
    public string Forward { get; }

    /// <summary>The chain for replies, which go the opposite way; null when replies are not judged.</summary>
    public string? Reply { get; }

    /// <summary>The names of all chains.</summary>
    public IEnumerable<string> Names => [.. _walks.SelectMany(walk => walk.Chains), .. _wrapper is null ? [] : new[] { _wrapper.Name }];

    /// <summary>The chains with their rules.</summary>
    /// <param name="family">The family of packets.</param>
    /// <param name="setOf">The name of a peer set for that family.</param>
    public IEnumerable<Chain> Render(IpFamily family, Func<PeerSetId, string> setOf)
    {
        var own = _ownAddresses is null ? null : PeerSets.NameOf(_ownAddresses, family);
        var chains = _walks.SelectMany(walk => walk.Tiers.Select((tier, index) =>
            new Chain(walk.Chains[index], [.. RulesOf(walk, index, tier, setOf, own)])));
        return _wrapper is null ? chains : chains.Append(_wrapper);
    }

    private string AddWalk(Names names, char kind, EquatableArray<RuleTier> all, Direction direction, bool isReply, bool isAudit = false)
    {
        // Cluster IPs are translated to backends before netfilter's forward hook: the tier that decides them has no packets here.
        var tiers = all.Items.Where(tier => tier.Kind != RuleTierKind.Service).ToList();
        if (tiers.Count == 0)
        {
            tiers.Add(new RuleTier(RuleTierKind.NetworkPolicy, []));
        }

        var walk = new Walk([.. tiers.Select(_ => names.Next(kind))], tiers, direction, isReply, isAudit);
        _walks.Add(walk);
        return walk.Chains[0];
    }

    private IEnumerable<string> RulesOf(Walk walk, int index, RuleTier tier, Func<PeerSetId, string> setOf, string? own)
    {
        var isRemoteSource = walk.Direction == Direction.Ingress;
        var next = index + 1 < walk.Chains.Count ? $"-g {walk.Chains[index + 1]}" : Allow(walk);
        foreach (var rule in tier.Rules.Items)
        {
            var target = rule.Action switch { RuleAction.Accept => Allow(walk), RuleAction.Deny => Deny(walk, 'd'), _ => next };
            var peers = rule.Peers is { } sets
                ? sets.Items.Select(set => $"-m set --match-set {setOf(set)} {(isRemoteSource ? "src" : "dst")} ")
                : [string.Empty];
            foreach (var peer in peers)
            {
                foreach (var ports in PortMatches.Of(rule.Ports, walk.IsReply))
                {
                    yield return $"{ports}{peer}{target}";
                }
            }

            if (rule is { Peers: null, Ports: null })
            {
                yield break;
            }
        }

        if (tier.Isolation is null)
        {
            yield return next;
            yield break;
        }

        if (tier.Kind == RuleTierKind.NetworkPolicy && own is not null)
        {
            // The interface is the workload's: the packet's way out towards it, its way in from it.
            yield return $"-m set --match-set {own} {(isRemoteSource ? "src,dst" : "dst,src")} {AllowOwn(walk)}";
        }

        yield return Deny(walk, 'x');
    }

    private string Allow(Walk walk) => walk.IsAudit ? "-j RETURN" : $"-g {_verdicts.Chain(walk.IsReply ? 'r' : 'a', walk.Direction)}";

    private string AllowOwn(Walk walk) => walk.IsAudit ? "-j RETURN" : $"-g {_verdicts.Chain('o', walk.Direction)}";

    private string Deny(Walk walk, char code) =>
        $"-g {(walk.IsReply ? _flows! : _verdicts.Chain(walk.IsAudit ? 'u' : code, walk.Direction))}";

    /// <param name="Chains">One chain for each tier.</param>
    /// <param name="Tiers">The tiers.</param>
    /// <param name="Direction">Which way the packets go, as the workload sees it.</param>
    /// <param name="IsReply">Whether they are replies to what the rules are about.</param>
    /// <param name="IsAudit">Whether a denial is only reported.</param>
    private sealed record Walk(IReadOnlyList<string> Chains, IReadOnlyList<RuleTier> Tiers, Direction Direction, bool IsReply, bool IsAudit);
}
