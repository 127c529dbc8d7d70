using System.Security.Cryptography;
using System.Text;
using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables;

internal sealed partial class Ruleset
{
    /// <summary>The tables as the kernel has them.</summary>
    public IReadOnlyDictionary<(string Table, IpFamily Family), SavedTable> Save(Installed installed) =>
        installed.Iptables.Save(Families, Tables);

    /// <summary>What differs from what was installed; null when nothing does.</summary>
    /// <remarks>
    /// How rules are listed differs between versions of iptables, so the first listing after a change is what later ones are
    /// compared with; that one is only checked for the number of chains and rules.
    /// </remarks>
    public string? FindDrift(Installed installed)
    {
        var saved = Save(installed);
        var jumps = installed.Layout.Jumps.ToList();
        foreach (var ((table, family), content) in saved)
        {
            if (!RestoreScript.AreInPlace([.. jumps.Where(jump => jump.Table == table)], content, _names.IsOwn))
            {
                return $"{family} table {table}: a jump to the instance's chains";
            }
        }

        var fingerprint = FingerprintOf(saved);
        if (installed.Fingerprint is null)
        {
            var difference = installed.Layout.FindMissing(saved);
            installed.Fingerprint = difference is null ? fingerprint : null;
            return difference ?? FindSetDrift(installed);
        }

        return installed.Fingerprint == fingerprint ? FindSetDrift(installed) : "a chain or rule";
    }

    private string? FindSetDrift(Installed installed)
    {
        var actual = installed.Ipset.Elements(_names.IsOwn);
        foreach (var (name, elements) in installed.Layout.Sets)
        {
            if (!actual.TryGetValue(name, out var present) || !present.SetEquals(elements))
            {
                return $"set {name}";
            }
        }

        return null;
    }

    private string FingerprintOf(IReadOnlyDictionary<(string Table, IpFamily Family), SavedTable> saved)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var table in saved.OrderBy(table => table.Key))
        {
            foreach (var rule in table.Value.Rules.Where(rule => _names.IsOwn(rule.Chain)))
            {
                hash.AppendData(Encoding.UTF8.GetBytes($"{table.Key} {rule.Chain} {rule.Text}\n"));
            }
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
