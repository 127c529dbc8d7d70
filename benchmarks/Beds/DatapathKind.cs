namespace Portcullis.Benchmarks.Beds;

/// <summary>What judges packets.</summary>
internal enum DatapathKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Empty TC programs on the hooks that the eBPF datapath uses.</summary>
    Empty,

    /// <summary>The eBPF datapath.</summary>
    Ebpf,

    /// <summary>The iptables datapath.</summary>
    Iptables,

    /// <summary>One chain of iptables rules for single addresses, with conntrack before it: what is written by hand.</summary>
    Linear,

    /// <summary>The same in nftables with one set of address, protocol and port.</summary>
    NftSet,
}

/// <summary>The names of datapaths in results.</summary>
internal static class DatapathKinds
{
    public static string Text(this DatapathKind kind) => kind switch
    {
        DatapathKind.None => "none",
        DatapathKind.Empty => "empty",
        DatapathKind.Ebpf => "ebpf",
        DatapathKind.Iptables => "iptables",
        DatapathKind.Linear => "linear",
        DatapathKind.NftSet => "nft-set",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };
}
