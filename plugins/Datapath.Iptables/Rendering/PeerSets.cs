using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>How prefixes and sets are written for <c>ipset restore</c>.</summary>
internal static class PeerSets
{
    /// <summary>A limit that is never met before memory is; the kernel reserves nothing for it.</summary>
    private const uint MaxElements = uint.MaxValue;

    /// <summary>The name of a set for one family: the kernel's sets hold one each.</summary>
    public static string NameOf(string set, IpFamily family) => family == IpFamily.IPv4 ? set + ".4" : set + ".6";

    /// <summary>The line that makes a set of prefixes.</summary>
    public static string Create(string name, IpFamily family, int elements) =>
        $"create {name} hash:net family {FamilyName(family)} hashsize {HashSize(elements)} maxelem {MaxElements}";

    /// <summary>The line that makes a set of (address, interface).</summary>
    public static string CreateByInterface(string name, IpFamily family) =>
        $"create {name} hash:net,iface family {FamilyName(family)} hashsize 1024 maxelem {MaxElements}";

    /// <summary>The elements that stand for a prefix: a set cannot hold the one of length 0, but its halves.</summary>
    public static IEnumerable<string> Elements(IpPrefix prefix)
    {
        if (prefix.Length > 0)
        {
            return [Text(prefix)];
        }

        var upper = prefix.Address with { Bits = UInt128.One << (prefix.Address.Width - 1) };
        return [Text(new IpPrefix(prefix.Address, 1)), Text(new IpPrefix(upper, 1))];
    }

    // As ipset prints it.
    private static string Text(IpPrefix prefix) => prefix.IsHost ? prefix.Address.ToString() : prefix.ToString();

    private static string FamilyName(IpFamily family) => family == IpFamily.IPv4 ? "inet" : "inet6";

    private static uint HashSize(int elements) => Math.Clamp(System.Numerics.BitOperations.RoundUpToPowerOf2((uint)elements), 64, 1 << 20);
}
