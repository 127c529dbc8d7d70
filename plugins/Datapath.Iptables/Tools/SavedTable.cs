using System.Text.RegularExpressions;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>A rule as the kernel has it.</summary>
/// <param name="Chain">Its chain.</param>
/// <param name="Text">The rest, as iptables prints it.</param>
/// <param name="Packets">Packets it matched.</param>
/// <param name="Bytes">Their bytes.</param>
internal readonly record struct SavedRule(string Chain, string Text, long Packets, long Bytes);

/// <summary>A table as the kernel has it, from <c>iptables-save -c</c>.</summary>
/// <param name="Chains">The chains, built-in ones included.</param>
/// <param name="Rules">The rules in order.</param>
internal sealed partial record SavedTable(IReadOnlyList<string> Chains, IReadOnlyList<SavedRule> Rules)
{
    /// <summary>Reads the text of one table.</summary>
    public static SavedTable Parse(string text)
    {
        var chains = new List<string>();
        var rules = new List<SavedRule>();
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith(':'))
            {
                chains.Add(line[1..line.IndexOf(' ', StringComparison.Ordinal)]);
            }
            else if (Rule().Match(line) is { Success: true } match)
            {
                rules.Add(new SavedRule(
                    match.Groups["chain"].Value,
                    match.Groups["rule"].Value,
                    long.Parse(match.Groups["packets"].ValueSpan),
                    long.Parse(match.Groups["bytes"].ValueSpan)));
            }
        }

        return new SavedTable(chains, rules);
    }

    /// <summary>The chain a rule enters: the last word after -j or -g; empty when it enters none.</summary>
    public static string TargetOf(string rule)
    {
        var words = rule.Split(' ');
        var index = Array.FindLastIndex(words, word => word is "-j" or "-g");
        return index >= 0 && index + 1 < words.Length ? words[index + 1] : string.Empty;
    }

    [GeneratedRegex(@"^\[(?<packets>\d+):(?<bytes>\d+)\] -A (?<chain>\S+) (?<rule>.*)$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Rule();
}
