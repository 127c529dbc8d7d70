using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>Numbers rules for use in verdicts. A number whose rule is gone means another rule only after a grace period.</summary>
internal sealed class RuleNumbers(KernelTables tables, GracePeriods gracePeriods)
{
    private readonly SlotAllocator _numbers = new("rules", 1, tables.RuleCapacity, gracePeriods);
    private readonly Dictionary<RuleReference, (uint Number, int Uses)> _used = [];
    private volatile RuleReference?[] _rules = new RuleReference?[64];

    public int Count => _used.Count;

    /// <summary>Numbers in use, that of no rule included.</summary>
    public int Used => _numbers.Used;

    /// <summary>Above every number that stands, or stood, for a rule. From any thread.</summary>
    public uint Bound => (uint)_rules.Length;

    public bool IsInitial => _numbers.IsInitial;

    /// <summary>The rule a number stands, or last stood, for. From any thread.</summary>
    public RuleReference? RuleOf(uint number)
    {
        var rules = _rules;
        return number < rules.Length ? rules[number] : null;
    }

    public uint Acquire(RuleReference rule)
    {
        var (number, uses) = _used.TryGetValue(rule, out var known) ? known : (Add(rule), 0);
        _used[rule] = (number, uses + 1);
        return number;
    }

    public void Release(RuleReference rule)
    {
        var (number, uses) = _used[rule];
        if (uses > 1)
        {
            _used[rule] = (number, uses - 1);
            return;
        }

        _used.Remove(rule);
        _numbers.Retire((int)number);
    }

    private uint Add(RuleReference rule)
    {
        var number = _numbers.Allocate();
        var rules = _rules;
        if (number >= rules.Length)
        {
            Array.Resize(ref rules, number * 2);
        }

        if (rules[number] is { } before)
        {
            tables.RuleReplaced((uint)number, before);
        }

        rules[number] = rule;
        _rules = rules;
        return (uint)number;
    }
}
