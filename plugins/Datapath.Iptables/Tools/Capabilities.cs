using System.Globalization;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>What the process may do.</summary>
internal static class Capabilities
{
    private static readonly (string Name, int Bit)[] Needed = [("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13)];

    /// <summary>What netfilter's programs need and the process does not have.</summary>
    public static IReadOnlyList<string> Missing()
    {
        const string line = "CapEff:";
        var effective = File.ReadLines("/proc/thread-self/status").First(text => text.StartsWith(line, StringComparison.Ordinal))[line.Length..];
        return MissingIn(ulong.Parse(effective, NumberStyles.HexNumber | NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture));
    }

    /// <summary>What is missing in a set of capabilities.</summary>
    public static IReadOnlyList<string> MissingIn(ulong effective) =>
        [.. Needed.Where(needed => (effective >> needed.Bit & 1) == 0).Select(needed => needed.Name)];
}
