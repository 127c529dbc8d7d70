using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;
using Portcullis.Datapaths;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf;

/// <summary>How many packets each policy decided, whatever generation counted them and whichever number its rules had.</summary>
internal sealed class PolicyCounts
{
    /// <summary>Policies that are told of: those that decided most.</summary>
    private const int Told = 1000;

    private readonly Lock _lock = new();
    private Dictionary<Key, long> _kept = [];

    private readonly record struct Key(string Kind, NamespacedName Policy, FlowVerdict Verdict);

    /// <summary>Keeps what a rule has decided under a number that now gets another.</summary>
    public void Keep(RuleReference rule, PcRulePackets packets)
    {
        lock (_lock)
        {
            Add(_kept, rule, packets);
            if (_kept.Count > 4 * Told)
            {
                _kept = _kept.OrderByDescending(count => count.Value).Take(2 * Told).ToDictionary();
            }
        }
    }

    /// <summary>Keeps what a generation has counted that is about to go.</summary>
    public void KeepAll(RuleLowering lowering, EbpfGeneration generation)
    {
        lock (_lock)
        {
            AddAll(_kept, lowering, generation);
        }
    }

    /// <summary>The policies that decided most, with what the present generation has counted.</summary>
    public IReadOnlyList<PolicyCounter> Read(RuleLowering lowering, EbpfGeneration generation)
    {
        Dictionary<Key, long> counts;
        lock (_lock)
        {
            counts = new Dictionary<Key, long>(_kept);
            AddAll(counts, lowering, generation);
        }

        return
        [
            .. counts.OrderByDescending(count => count.Value).Take(Told)
                .Select(count => new PolicyCounter(count.Key.Kind, count.Key.Policy, count.Key.Verdict, count.Value)),
        ];
    }

    private static void AddAll(Dictionary<Key, long> counts, RuleLowering lowering, EbpfGeneration generation)
    {
        for (var number = 1u; number < lowering.RuleBound; number++)
        {
            if (lowering.RuleOf(number) is { Kind: not null } rule)
            {
                Add(counts, rule, generation.RuleCounter(number));
            }
        }
    }

    private static void Add(Dictionary<Key, long> counts, RuleReference rule, PcRulePackets packets)
    {
        if (rule.Kind is not { } kind)
        {
            return;
        }

        foreach (var fate in Enum.GetValues<PcRuleFate>())
        {
            if (packets[(int)fate] is > 0 and var more)
            {
                var key = new Key(kind, rule.Policy, Verdict(fate));
                counts[key] = counts.GetValueOrDefault(key) + (long)more;
            }
        }
    }

    private static FlowVerdict Verdict(PcRuleFate fate) => fate switch
    {
        PcRuleFate.Allowed => FlowVerdict.Allow,
        PcRuleFate.Denied => FlowVerdict.Deny,
        _ => FlowVerdict.AuditDeny,
    };
}
