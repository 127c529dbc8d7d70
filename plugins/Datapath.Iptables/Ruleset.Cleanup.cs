using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables;

internal sealed partial class Ruleset
{
    // nf_tables lets go of the sets of removed rules from a work queue of the kernel, soon but not at once.
    private const int DestroyAttempts = 200;

    /// <summary>Removes the chains, rules and sets of this instance, or of every instance, from both backends.</summary>
    /// <returns>What was removed.</returns>
    /// <exception cref="DatapathException">Something could not be removed; the rest was.</exception>
    public IReadOnlyList<string> Cleanup(bool allInstances)
    {
        Func<string, bool> isOwn = allInstances ? Names.IsAnyInstance : _names.IsOwn;
        var removed = new List<string>();
        var failures = new List<string>();
        foreach (var backend in new[] { Backend.Nft, Backend.Legacy }.Where(backend => backend.IsInUse))
        {
            Attempt(failures, () => removed.AddRange(RemoveChains(backend, isOwn)));
        }

        _installed = null;
        _knownBefore = null;
        if (Tool.Find("ipset") is not null)
        {
            Attempt(failures, () => removed.AddRange(RemoveSets(IpsetTool.Find(), isOwn)));
        }

        return failures.Count == 0 ? removed : throw new DatapathException($"cleanup is incomplete: {string.Join("; ", failures)}");
    }

    private static void Attempt(List<string> failures, Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (exception is DatapathException or FeatureNotSupportedException)
        {
            failures.Add(exception.Message);
        }
    }

    // A machine whose backend was changed: two sets of rules would both judge.
    private void LeaveOtherBackend(Backend current)
    {
        var other = current == Backend.Nft ? Backend.Legacy : Backend.Nft;
        if (other.IsInUse)
        {
            RemoveChains(other, _names.IsOwn);
        }
    }

    private List<string> RemoveChains(Backend backend, Func<string, bool> isOwn)
    {
        var iptables = new IptablesTool(backend);
        var families = FamiliesOfMachine().Where(family => backend.Restore(family) is not null).ToList();
        var tables = iptables.Tables(families);
        var saved = iptables.Save(families, tables);
        string Removal(string table, IpFamily family) =>
            RestoreScript.Installing(table, [], [], saved[(table, family)], isOwn)
            + RestoreScript.Removing(table, [], saved[(table, family)], isOwn);

        iptables.Restore(
            families.ToDictionary(family => family, family => string.Concat(tables.Select(table => Removal(table, family)))), LogLockHeld);
        return
        [
            .. from table in saved
               from chain in table.Value.Chains
               where isOwn(chain)
               select $"{backend.Name} {table.Key.Family} {table.Key.Table} chain {chain}",
        ];
    }

    private List<string> RemoveSets(IpsetTool ipset, Func<string, bool> isOwn)
    {
        var names = ipset.Names().Where(isOwn).ToList();
        IReadOnlyList<string> left = names;
        for (var attempt = 0; left.Count > 0 && attempt < DestroyAttempts; attempt++)
        {
            left = ipset.Destroy(left);
        }

        _garbage.Clear();
        return left.Count == 0
            ? names.ConvertAll(name => $"set {name}")
            : throw new DatapathException($"{left.Count} sets are still in use, among them {left[0]}: remove the rules that name them");
    }
}
