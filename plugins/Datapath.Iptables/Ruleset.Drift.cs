using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;

namespace Portcullis.Datapath.Iptables;

internal sealed partial class Ruleset
{
    /// <summary>Starts a look at the kernel; null when nothing is in force.</summary>
    public Inspection? Inspect() => _installed is { } installed
        ? new Inspection(installed, _names, StartSave()!, installed.Ipset.StartSave())
        : null;

    /// <summary>Starts to list the tables; null when nothing is in force.</summary>
    public RunningSave? StartSave() => _installed?.Iptables is { } iptables ? iptables.StartSave(Families, iptables.Tables(Families)) : null;

    /// <summary>What a look found that differs from what is in force; null when nothing does.</summary>
    /// <remarks>
    /// How rules are listed differs between versions of iptables, so the first listing after a change is what later ones are
    /// compared with; that one is only checked for the number of chains and rules.
    /// </remarks>
    public string? FindDrift(Inspection seen)
    {
        if (seen.Installed != _installed)
        {
            return null;
        }

        return (seen.HasCurrentChains ? FindChainDrift(seen) : null) ?? (seen.HasCurrentSets ? FindSetDrift(seen) : null);
    }

    private string? FindChainDrift(Inspection seen)
    {
        var jumps = seen.Installed.Layout.Jumps.ToList();
        foreach (var ((table, family), content) in seen.Tables)
        {
            if (!RestoreScript.AreInPlace([.. jumps.Where(jump => jump.Table == table)], content, _names.IsOwn))
            {
                return $"{family} table {table}: a jump to the instance's chains";
            }
        }

        if (seen.Installed.Fingerprint is { } known)
        {
            return known == seen.Fingerprint ? null : "a chain or rule";
        }

        var missing = seen.Installed.Layout.FindMissing(seen.Tables);
        seen.Installed.Fingerprint = missing is null ? seen.Fingerprint : null;
        return missing;
    }

    private static string? FindSetDrift(Inspection seen)
    {
        foreach (var (name, elements) in seen.Installed.Layout.Sets)
        {
            if (!seen.Sets.TryGetValue(name, out var present) || !present.SetEquals(elements))
            {
                return $"set {name}";
            }
        }

        return null;
    }
}
