using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>Where packets go from the tiers of a rule set, as targets of rules.</summary>
/// <param name="Allow">What a rule accepts, and what no tier decides.</param>
/// <param name="Own">What isolation spares because the other end is the workload itself.</param>
/// <param name="Deny">What a rule denies.</param>
/// <param name="Isolated">What isolation denies.</param>
internal sealed record Fates(string Allow, string Own, string Deny, string Isolated);

/// <summary>The chains that judge packets by the tiers of a rule set. Every packet that enters leaves by one of the fates.</summary>
internal sealed class TierChains
{
    private readonly IReadOnlyList<Part> _parts;
    private readonly bool _isRemoteSource;
    private readonly bool _isReply;
    private readonly Fates _fates;
    private readonly string? _ownAddresses;

    /// <summary>Names the chains.</summary>
    /// <param name="names">Where names come from.</param>
    /// <param name="kind">The letter of the chains.</param>
    /// <param name="tiers">The tiers.</param>
    /// <param name="direction">Which way the packets go, as the workload sees it.</param>
    /// <param name="isReply">Whether they are replies to what the tiers are about.</param>
    /// <param name="fates">Where packets go.</param>
    /// <param name="ownAddresses">The set of (own address, interface), without its family; null where none can be a packet's other end.</param>
    public TierChains(Names names, char kind, EquatableArray<RuleTier> tiers, Direction direction, bool isReply, Fates fates, string? ownAddresses)
    {
        _isRemoteSource = direction == Direction.Ingress;
        _isReply = isReply;
        _fates = fates;
        _ownAddresses = ownAddresses;
        _parts = [.. Split(tiers.Items).Select(part => new Part(names.Next(kind), part))];
    }

    /// <summary>The chain to enter by.</summary>
    public string Entry => _parts[0].Chain;

    /// <summary>The names of the chains.</summary>
    public IEnumerable<string> Names => _parts.Select(part => part.Chain);

    /// <summary>The chains with their rules.</summary>
    /// <param name="family">The family of packets.</param>
    /// <param name="setOf">The name of a peer set for that family.</param>
    public IEnumerable<Chain> Render(IpFamily family, Func<PeerSetId, string> setOf) => _parts.Select((part, index) =>
    {
        var next = index + 1 < _parts.Count ? $"-g {_parts[index + 1].Chain}" : _fates.Allow;
        return new Chain(part.Chain, [.. RulesOf(part.Tiers, next, family, setOf)]);
    });

    // A chain ends where a rule may pass to the next tier. nf_tables follows at most 15 chains: one for each tier would be too many.
    private static List<List<RuleTier>> Split(IEnumerable<RuleTier> tiers)
    {
        var parts = new List<List<RuleTier>> { new() };

        // Cluster IPs are translated to backends before netfilter's forward hook: the tier that decides them has no packets here.
        foreach (var tier in tiers.Where(tier => tier.Kind != RuleTierKind.Service))
        {
            parts[^1].Add(tier);
            if (tier.Rules.Items.Any(rule => rule.Action == RuleAction.Pass))
            {
                parts.Add([]);
            }
        }

        return parts;
    }

    private IEnumerable<string> RulesOf(List<RuleTier> tiers, string next, IpFamily family, Func<PeerSetId, string> setOf)
    {
        foreach (var tier in tiers)
        {
            foreach (var rule in tier.Rules.Items)
            {
                var target = rule.Action switch { RuleAction.Accept => _fates.Allow, RuleAction.Deny => _fates.Deny, _ => next };
                foreach (var match in Matches(rule, setOf))
                {
                    yield return match + target;
                }

                if (rule is { Peers: null, Ports: null })
                {
                    yield break;
                }
            }

            if (tier.Isolation is not null)
            {
                if (tier.Kind == RuleTierKind.NetworkPolicy && _ownAddresses is not null)
                {
                    // The interface is the workload's: the packet's way out towards it, its way in from it.
                    var dimensions = _isRemoteSource ? "src,dst" : "dst,src";
                    yield return $"-m set --match-set {PeerSets.NameOf(_ownAddresses, family)} {dimensions} {_fates.Own}";
                }

                yield return _fates.Isolated;
                yield break;
            }
        }

        yield return next;
    }

    private IEnumerable<string> Matches(Rule rule, Func<PeerSetId, string> setOf)
    {
        var peers = rule.Peers is { } sets
            ? sets.Items.Select(set => $"-m set --match-set {setOf(set)} {(_isRemoteSource ? "src" : "dst")} ")
            : [string.Empty];
        return from peer in peers from ports in PortMatches.Of(rule.Ports, _isReply) select ports + peer;
    }

    /// <param name="Chain">The chain.</param>
    /// <param name="Tiers">The tiers it judges by.</param>
    private sealed record Part(string Chain, List<RuleTier> Tiers);
}
