namespace Portcullis.Datapath.Ebpf;

/// <summary>Where an instance keeps what must outlive it. Names hold the layout version: what another layout left is never misread.</summary>
internal sealed class EbpfPaths(string instance)
{
    /// <summary>The BPF file system.</summary>
    public const string FileSystem = "/sys/fs/bpf";

    /// <summary>The folder of all instances.</summary>
    public const string Root = FileSystem + "/portcullis";

    private const string QdiscPrefix = "qdisc_";

    public string Folder { get; } = Path.Combine(Root, instance);

    public string Permits => Path.Combine(Folder, $"permits_v{Native.Pc.LayoutVersion}");

    public string Config => Path.Combine(Folder, $"config_v{Native.Pc.LayoutVersion}");

    /// <summary>An empty folder that says: the clsact qdisc of this interface is ours to remove. The file system takes no other marks.</summary>
    public string QdiscMark(int ifindex) => Path.Combine(Folder, $"{QdiscPrefix}{ifindex}");

    /// <summary>The interfaces marked in any folder of an instance.</summary>
    public static IEnumerable<int> MarkedQdiscs(string folder) =>
        Directory.EnumerateDirectories(folder, QdiscPrefix + "*").Select(mark => int.Parse(Path.GetFileName(mark)[QdiscPrefix.Length..]));

    /// <summary>Whether the BPF file system is mounted where it belongs.</summary>
    public static bool IsMounted() =>
        File.ReadLines("/proc/thread-self/mounts").Select(line => line.Split(' ')).Any(fields => fields is [_, FileSystem, "bpf", ..]);
}
