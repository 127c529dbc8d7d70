using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>The chains for packets of a rule set's own direction, of endpoints on one side of their interfaces.</summary>
internal sealed class RuleSetChains
{
    private readonly TierChains _enforced;
    private readonly TierChains? _audited;

    /// <summary>Names the chains.</summary>
    /// <param name="rules">The rule set.</param>
    /// <param name="names">Where names come from.</param>
    /// <param name="verdicts">Where packets end.</param>
    /// <param name="ownAddresses">The set of (own address, interface), without its family; null where none can be a packet's other end.</param>
    public RuleSetChains(RuleSet rules, Names names, Verdicts verdicts, string? ownAddresses)
    {
        string Verdict(char code) => "-g " + verdicts.Chain(code, rules.Direction);

        var fates = new Fates(Verdict('a'), Verdict('o'), Verdict('d'), Verdict('x'));
        _enforced = new TierChains(names, 'f', rules.Tiers, rules.Direction, isReply: false, fates, ownAddresses);
        Entry = _enforced.Entry;
        if (rules.Audit is { } audit)
        {
            var report = new Fates("-j RETURN", "-j RETURN", Verdict('u'), Verdict('u'));
            _audited = new TierChains(names, 'q', audit, rules.Direction, isReply: false, report, ownAddresses);
            Entry = names.Next('w');
        }
    }

    /// <summary>The chain to enter by.</summary>
    public string Entry { get; }

    /// <summary>The names of the chains.</summary>
    public IEnumerable<string> Names => _audited is null ? _enforced.Names : _enforced.Names.Concat(_audited.Names).Append(Entry);

    /// <summary>The chains with their rules.</summary>
    /// <param name="family">The family of packets.</param>
    /// <param name="setOf">The name of a peer set for that family.</param>
    public IEnumerable<Chain> Render(IpFamily family, Func<PeerSetId, string> setOf)
    {
        var chains = _enforced.Render(family, setOf);
        return _audited is null
            ? chains
            : chains.Concat(_audited.Render(family, setOf)).Append(new Chain(Entry, [$"-j {_enforced.Entry}", $"-g {_audited.Entry}"]));
    }
}
