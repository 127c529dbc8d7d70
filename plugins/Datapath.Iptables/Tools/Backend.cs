using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>One of the two implementations of iptables, which do not see each other's rules.</summary>
/// <param name="Name"><c>nft</c> or <c>legacy</c>.</param>
internal sealed record Backend(string Name)
{
    /// <summary>Rules in the kernel's nf_tables.</summary>
    public static readonly Backend Nft = new("nft");

    /// <summary>Rules in the kernel's ip_tables and ip6_tables.</summary>
    public static readonly Backend Legacy = new("legacy");

    /// <summary>
    /// Whether a program that removed rules ends only when all processors have left them, which takes much longer than to put new
    /// ones in force.
    /// </summary>
    public bool WaitsForRemoved => this == Nft;

    /// <summary>The program that restores rules.</summary>
    public Tool? Restore(IpFamily family) => Find(family, "restore");

    /// <summary>The program that lists rules.</summary>
    public Tool? Save(IpFamily family) => Find(family, "save");

    /// <summary>Whether its programs are installed.</summary>
    public bool IsInstalled => Restore(IpFamily.IPv4) is not null && Save(IpFamily.IPv4) is not null;

    /// <summary>Whether the kernel may hold rules of it. Asking legacy programs would create its tables.</summary>
    public bool IsInUse => IsInstalled && (this == Nft || HasLegacyTables("ip_tables_names") || HasLegacyTables("ip6_tables_names"));

    private static bool HasLegacyTables(string list)
    {
        var path = "/proc/thread-self/net/" + list;
        return File.Exists(path) && File.ReadAllText(path).Length > 0;
    }

    // Distributions without alternatives have one backend under the plain name, which tells its kind.
    private Tool? Find(IpFamily family, string verb)
    {
        var program = family == IpFamily.IPv4 ? "iptables" : "ip6tables";
        return Tool.Find($"{program}-{Name}-{verb}") ?? (PlainBackend() == this ? Tool.Find($"{program}-{verb}") : null);
    }

    /// <summary>The backend behind the plain name <c>iptables</c>; null when it is not installed.</summary>
    public static Backend? PlainBackend()
    {
        if (Tool.Find("iptables") is not { } tool)
        {
            return null;
        }

        return tool.Run(string.Empty, "-V").Output.Contains("nf_tables", StringComparison.Ordinal) ? Nft : Legacy;
    }
}
