using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>A rule set prepared for being judged once per class: rules by number, ports as runs of segments of the key space.</summary>
/// <remarks>The key space is cut wherever some rule's ports begin or end, so within a segment all ports meet the same fate.</remarks>
internal sealed class RuleProgram
{
    private const uint Undecided = uint.MaxValue;
    private readonly uint[] _starts;
    private readonly Tier[] _tiers;
    private readonly Tier[]? _audit;
    private readonly uint[] _verdicts;
    private readonly uint[] _audited;
    private readonly int[] _passed;

    private sealed record CompiledRule(RuleAction Action, uint Number, int[]? Peers, (int First, int End)[]? Segments);

    private sealed record Tier(CompiledRule[] Rules, uint? Isolation);

    public RuleProgram(RuleSet ruleSet, RuleNumbers numbers)
    {
        var tiers = ruleSet.Tiers.Concat(ruleSet.Audit ?? []).ToArray();
        var rules = tiers.SelectMany(tier => tier.Rules).ToArray();
        References = [.. rules.Select(rule => rule.Reference).Concat(tiers.Select(tier => tier.Isolation).OfType<RuleReference>())];
        var numberOf = References.Distinct().ToDictionary(reference => reference, _ => 0u);
        foreach (var reference in References)
        {
            numberOf[reference] = numbers.Acquire(reference);
        }

        PeerSets = [.. rules.SelectMany(rule => rule.Peers ?? []).Select(id => id.Value).Distinct().Order()];
        var ranges = rules.SelectMany(rule => rule.Ports ?? []).Select(KeysOf);
        _starts = [.. ranges.SelectMany(range => new[] { range.First, range.End }).Append(0u).Distinct().Order()];
        _tiers = [.. ruleSet.Tiers.Select(tier => Compile(tier, numberOf))];
        _audit = ruleSet.Audit is { } audit ? [.. audit.Select(tier => Compile(tier, numberOf))] : null;
        _verdicts = new uint[_starts.Length];
        _audited = new uint[_starts.Length];
        _passed = new int[_starts.Length];
    }

    /// <summary>The references numbered for this program, each as often as it occurs.</summary>
    public RuleReference[] References { get; }

    /// <summary>The peer sets that rules refer to, ascending.</summary>
    public int[] PeerSets { get; }

    /// <summary>Whether no packet can be denied.</summary>
    public bool IsOpen => _tiers.All(tier => tier.Isolation is null && tier.Rules.All(rule => rule.Action != RuleAction.Deny));

    /// <summary>Where each segment starts; the first one at 0.</summary>
    public ReadOnlySpan<uint> Starts => _starts;

    /// <summary>The verdict of each segment for addresses in exactly these peer sets, ascending. Valid until the next call.</summary>
    public ReadOnlySpan<uint> Judge(ReadOnlySpan<int> peerSets)
    {
        Judge(_tiers, peerSets, _verdicts);
        if (_audit is null)
        {
            return _verdicts;
        }

        Judge(_audit, peerSets, _audited);
        for (var i = 0; i < _verdicts.Length; i++)
        {
            if (Verdict.Kind(_verdicts[i]) == Verdict.Allow && Verdict.Kind(_audited[i]) != Verdict.Allow)
            {
                var kind = Verdict.Kind(_audited[i]) == Verdict.Isolated ? Verdict.AuditIsolated : Verdict.Audit;
                _verdicts[i] = kind | Verdict.Argument(_audited[i]);
            }
        }

        return _verdicts;
    }

    private static (uint First, uint End) KeysOf(PortRange range)
    {
        var transport = range.Protocol switch
        {
            IpProtocol.Tcp => 0u,
            IpProtocol.Udp => 1u,
            IpProtocol.Sctp => 2u,
            _ => throw new ArgumentException($"a rule names the unknown protocol {(int)range.Protocol}", nameof(range)),
        };
        return ((transport << 16) | range.First, ((transport << 16) | range.Last) + 1);
    }

    private static bool Matches(CompiledRule rule, ReadOnlySpan<int> peerSets)
    {
        if (rule.Peers is null)
        {
            return true;
        }

        foreach (var peerSet in peerSets)
        {
            if (Array.BinarySearch(rule.Peers, peerSet) >= 0)
            {
                return true;
            }
        }

        return false;
    }

    private Tier Compile(RuleTier tier, Dictionary<RuleReference, uint> numberOf)
    {
        var kind = tier.Kind == RuleTierKind.NetworkPolicy ? Verdict.Isolated : Verdict.Deny;
        return new Tier(
            [.. tier.Rules.Select(rule => new CompiledRule(
                rule.Action,
                numberOf[rule.Reference],
                rule.Peers is { } peers ? [.. peers.Select(id => id.Value).Order()] : null,
                rule.Ports is { } ports ? [.. ports.Select(SegmentsOf)] : null))],
            tier.Isolation is { } isolation ? kind | numberOf[isolation] : null);
    }

    private (int First, int End) SegmentsOf(PortRange range)
    {
        var (first, end) = KeysOf(range);
        return (Array.BinarySearch(_starts, first), Array.BinarySearch(_starts, end));
    }

    private void Judge(Tier[] tiers, ReadOnlySpan<int> peerSets, uint[] verdicts)
    {
        Array.Fill(verdicts, Undecided);
        Array.Fill(_passed, -1);
        var undecided = verdicts.Length;
        for (var stage = 0; stage < tiers.Length && undecided > 0; stage++)
        {
            foreach (var rule in tiers[stage].Rules)
            {
                if (undecided > 0 && Matches(rule, peerSets))
                {
                    undecided -= Decide(rule, stage, verdicts);
                }
            }

            if (tiers[stage].Isolation is { } isolation)
            {
                undecided -= Decide(0, verdicts.Length, isolation, stage, verdicts);
            }
        }

        Decide(0, verdicts.Length, Verdict.Allow, tiers.Length, verdicts);
    }

    private int Decide(CompiledRule rule, int stage, uint[] verdicts)
    {
        uint? verdict = rule.Action switch
        {
            RuleAction.Accept => Verdict.Allow | rule.Number,
            RuleAction.Deny => Verdict.Deny | rule.Number,
            _ => null,
        };
        if (rule.Segments is null)
        {
            return Decide(0, verdicts.Length, verdict, stage, verdicts);
        }

        var decided = 0;
        foreach (var (first, end) in rule.Segments)
        {
            decided += Decide(first, end, verdict, stage, verdicts);
        }

        return decided;
    }

    /// <summary>Decides the segments nothing decided before, or without a verdict leaves them to the next stage.</summary>
    private int Decide(int first, int end, uint? verdict, int stage, uint[] verdicts)
    {
        var decided = 0;
        for (var i = first; i < end; i++)
        {
            if (verdicts[i] != Undecided || _passed[i] == stage)
            {
                continue;
            }

            if (verdict is { } value)
            {
                verdicts[i] = value;
                decided++;
            }
            else
            {
                _passed[i] = stage;
            }
        }

        return decided;
    }
}
