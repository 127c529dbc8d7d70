using System.Text;
using Portcullis.Datapath.Iptables.Tools;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>Input for <c>iptables-restore --noflush</c>.</summary>
internal static class RestoreScript
{
    /// <summary>What brings a table to <paramref name="changes"/>; empty when there is nothing to do.</summary>
    public static string Of(string table, ChainChanges changes) =>
        changes.IsEmpty ? string.Empty : Write(table, changes.Written, [], changes.Removed);

    /// <summary>
    /// What brings a table to <paramref name="changes"/> for every packet and removes nothing: rules that change come ahead of those they
    /// replace, which nothing reaches from then on. Empty when there is nothing to do.
    /// </summary>
    public static string Ahead(string table, ChainChanges changes)
    {
        // Each insertion comes before the last one.
        var rules = changes.Changed.SelectMany(chain => chain.Rules.Items.Append("-j RETURN").Reverse().Select(rule => $"-I {chain.Name} {rule}")).ToList();
        return changes.Added.Count == 0 && rules.Count == 0 ? string.Empty : Write(table, changes.Added, rules, []);
    }

    /// <summary>What puts chains into a table and leads packets to them and to no other chain of the instance.</summary>
    /// <param name="table">The table.</param>
    /// <param name="chains">The chains.</param>
    /// <param name="jumps">The rules of built-in chains that enter them.</param>
    /// <param name="saved">The table as it is.</param>
    /// <param name="isOwn">Whether a chain is of the instance.</param>
    public static string Installing(
        string table, IReadOnlyList<Chain> chains, IReadOnlyList<Jump> jumps, SavedTable saved, Func<string, bool> isOwn)
    {
        var entering = JumpRules(table, jumps, saved, isOwn);
        return chains.Count == 0 && entering.Count == 0 ? string.Empty : Write(table, chains, entering, []);
    }

    /// <summary>What removes from a table the chains of the instance that were in it and that nothing leads to any more.</summary>
    /// <remarks>A transaction of its own: nf_tables programs take seconds for many new rules and many removals in one.</remarks>
    /// <param name="table">The table.</param>
    /// <param name="kept">The chains to keep.</param>
    /// <param name="saved">The table as it was.</param>
    /// <param name="isOwn">Whether a chain is of the instance.</param>
    public static string Removing(string table, IReadOnlyList<Chain> kept, SavedTable saved, Func<string, bool> isOwn)
    {
        var obsolete = saved.Chains.Where(isOwn).Except(kept.Select(chain => chain.Name)).ToList();
        return obsolete.Count == 0 ? string.Empty : Write(table, [], [], obsolete);
    }

    /// <summary>Whether each jump is there once, before every rule of others.</summary>
    public static bool AreInPlace(IReadOnlyList<Jump> jumps, SavedTable saved, Func<string, bool> isOwn)
    {
        var present = saved.Rules.Where(rule => !isOwn(rule.Chain) && isOwn(SavedTable.TargetOf(rule.Text))).ToList();
        return present.Count == jumps.Count && jumps.All(jump =>
        {
            var first = saved.Rules
                .Where(rule => rule.Chain == jump.BuiltIn)
                .SkipWhile(rule => Names.IsAnyInstance(SavedTable.TargetOf(rule.Text)) && rule.Text != $"-j {jump.Target}")
                .FirstOrDefault();
            return first.Text == $"-j {jump.Target}";
        });
    }

    private static List<string> JumpRules(string table, IReadOnlyList<Jump> jumps, SavedTable saved, Func<string, bool> isOwn)
    {
        var wanted = jumps.Where(jump => jump.Table == table).ToList();
        if (AreInPlace(wanted, saved, isOwn))
        {
            return [];
        }

        return
        [
            .. saved.Rules
                .Where(rule => !isOwn(rule.Chain) && isOwn(SavedTable.TargetOf(rule.Text)))
                .Select(rule => $"-D {rule.Chain} {rule.Text}"),
            .. wanted.Select(jump => $"-I {jump.BuiltIn} 1 -j {jump.Target}"),
        ];
    }

    private static string Write(string table, IEnumerable<Chain> chains, IEnumerable<string> rules, IReadOnlyList<string> obsolete)
    {
        var text = new StringBuilder().Append('*').Append(table).Append('\n');
        var written = chains.ToList();
        foreach (var chain in written)
        {
            text.Append(':').Append(chain.Name).Append(" - [0:0]\n");
        }

        foreach (var chain in written)
        {
            foreach (var rule in chain.Rules)
            {
                text.Append("-A ").Append(chain.Name).Append(' ').Append(rule).Append('\n');
            }
        }

        text.AppendJoin(string.Empty, rules.Select(rule => rule + '\n'));
        text.AppendJoin(string.Empty, obsolete.Select(name => $"-F {name}\n"));
        text.AppendJoin(string.Empty, obsolete.Select(name => $"-X {name}\n"));
        return text.Append("COMMIT\n").ToString();
    }
}
