using Portcullis.Datapath.Conformance;
using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Tests;

/// <summary>The suite of all datapaths, by one backend.</summary>
public abstract class ConformanceTests(string backend) : DatapathConformanceTests
{
    internal override PolicedNode CreateNode(EstablishedConnections established = EstablishedConnections.Enforce) =>
        new Node(backend, established, TimeProvider.System);

    // ip_tables reads the whole header for a single port, nf_tables only the port.
    internal override IReadOnlyList<NamedDifference> Differences => backend == "nft" ? [NamedDifference.TruncatedPorts] : [];

    // ip_tables tells nobody of a change: there it would take until the next regular look.
    internal override void Sabotage(PolicedNode node)
    {
        foreach (var program in new[] { "iptables", "ip6tables" })
        {
            node.Run($"{program}-{backend}", "-t", "mangle", "-F", "POSTROUTING");
        }

        if (backend == "legacy")
        {
            ((Node)node).Datapath.LookForDriftAsync().GetAwaiter().GetResult();
        }
    }

    internal override string KernelState(PolicedNode node) => string.Join('\n', new[] { IpFamily.IPv4, IpFamily.IPv6 }
        .SelectMany(family => ((Node)node).Saved(family).Split('\n'))
        .Concat(node.Run("ipset", "list", "-n").Split('\n'))
        .Where(line => line.Contains("pcl.", StringComparison.Ordinal)));
}

/// <summary>With nf_tables.</summary>
public sealed class NftConformanceTests() : ConformanceTests("nft");

/// <summary>With ip_tables.</summary>
public sealed class LegacyConformanceTests() : ConformanceTests("legacy");
