using System.Security.Cryptography;
using System.Text;
using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables;

/// <summary>A look at the kernel. Started on the kernel thread; read on any other, so that changes need not wait for it.</summary>
internal sealed class Inspection(Installed installed, Names names, RunningSave tables, RunningTool sets)
{
    private readonly (int Chains, int Sets) _version = (installed.ChainsVersion, installed.SetsVersion);

    /// <summary>What was in force when it started.</summary>
    public Installed Installed => installed;

    /// <summary>Whether the chains seen are the ones in force.</summary>
    public bool HasCurrentChains => _version.Chains == installed.ChainsVersion;

    /// <summary>Whether the sets seen are the ones in force.</summary>
    public bool HasCurrentSets => _version.Sets == installed.SetsVersion;

    /// <summary>The tables; empty before <see cref="Read"/>.</summary>
    public IReadOnlyDictionary<(string Table, IpFamily Family), SavedTable> Tables { get; private set; } =
        new Dictionary<(string Table, IpFamily Family), SavedTable>();

    /// <summary>The elements of the instance's sets; empty before <see cref="Read"/>.</summary>
    public IReadOnlyDictionary<string, HashSet<string>> Sets { get; private set; } = new Dictionary<string, HashSet<string>>();

    /// <summary>A digest of the instance's rules; empty before <see cref="Read"/>.</summary>
    public string Fingerprint { get; private set; } = string.Empty;

    /// <summary>Waits for the programs and reads what they list.</summary>
    /// <exception cref="Datapaths.DatapathException">One failed.</exception>
    public void Read()
    {
        Tables = tables.Wait();
        Sets = IpsetTool.Elements(sets.Wait(), names.IsOwn);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var table in Tables.OrderBy(table => table.Key))
        {
            foreach (var rule in table.Value.Rules.Where(rule => names.IsOwn(rule.Chain)))
            {
                hash.AppendData(Encoding.UTF8.GetBytes($"{table.Key} {rule.Chain} {rule.Text}\n"));
            }
        }

        Fingerprint = Convert.ToHexString(hash.GetHashAndReset());
    }
}
