using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>Rules about SCTP ports where those cannot be matched.</summary>
internal static class SctpPorts
{
    /// <summary>Whether a rule is about some ports of SCTP; all of them need no match of ports.</summary>
    public static bool AreNamedBy(Rule rule) => rule.Ports is { } ports && ports.Items.Any(IsPart);

    /// <summary>The rules fail closed: what names SCTP ports accepts none of them, and denies SCTP altogether where it denies or passes on.</summary>
    public static RuleSet Close(RuleSet rules) => rules with
    {
        Tiers = Close(rules.Tiers),
        Audit = rules.Audit is { } audit ? Close(audit) : null,
    };

    private static EquatableArray<RuleTier> Close(EquatableArray<RuleTier> tiers) =>
        [.. tiers.Items.Select(tier => tier with { Rules = [.. tier.Rules.Items.SelectMany(Close)] })];

    private static IEnumerable<Rule> Close(Rule rule)
    {
        if (!AreNamedBy(rule))
        {
            yield return rule;
            yield break;
        }

        if (rule.Action != RuleAction.Accept)
        {
            yield return rule with { Action = RuleAction.Deny, Ports = [PortRange.All(IpProtocol.Sctp)] };
        }

        yield return rule with { Ports = [.. rule.Ports!.Value.Items.Where(range => !IsPart(range))] };
    }

    private static bool IsPart(PortRange range) => range.Protocol == IpProtocol.Sctp && range is not { First: 0, Last: ushort.MaxValue };
}
