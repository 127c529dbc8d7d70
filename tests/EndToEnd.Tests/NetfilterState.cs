using Portcullis.Host.Native;

namespace Portcullis.EndToEnd.Tests;

/// <summary>The rules and sets of a network namespace, of which some are somebody else's.</summary>
internal static class NetfilterState
{
    private const string Foreign = """
        *mangle
        :FOREIGN - [0:0]
        -A FOREIGN -m comment --comment "not ours: pcl.x.y" -j RETURN
        -A FORWARD -j FOREIGN
        -A POSTROUTING -j FOREIGN
        COMMIT
        *raw
        -A PREROUTING -j ACCEPT
        COMMIT
        *security
        -A FORWARD -j RETURN
        COMMIT

        """;

    /// <summary>Adds somebody else's.</summary>
    public static async Task AddForeignAsync(NetworkNamespace network)
    {
        foreach (var script in new[] { "iptables-nft-restore --noflush", "ip6tables-nft-restore --noflush" })
        {
            await ShellAsync(network, $"printf '%s' '{Foreign}' | {script}");
        }

        await ShellAsync(network, "ipset create foreign hash:net && ipset add foreign 10.0.0.0/8");
    }

    /// <summary>All of it, without counters and comments.</summary>
    public static Task<string> SaveAsync(NetworkNamespace network) => ShellAsync(
        network, "(iptables-nft-save; ip6tables-nft-save) 2>/dev/null | grep -v '^#' | sed 's/ \\[[0-9]*:[0-9]*\\]$//'; ipset save | sed 's/ initval [^ ]*//'");

    private static async Task<string> ShellAsync(NetworkNamespace network, string command)
    {
        var result = await Executable.RunProgramAsync(network, "sh", "-c", command);
        return result.ExitCode == 0 ? result.Output : throw new InvalidOperationException($"{command}: {result.Error}");
    }
}
