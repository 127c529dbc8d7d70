namespace Portcullis.Datapath.Ebpf;

/// <summary>Where an instance keeps what must outlive it. Names hold the layout version: what another layout left is never misread.</summary>
internal sealed class EbpfPaths(string instance)
{
    /// <summary>The BPF file system.</summary>
    public const string FileSystem = "/sys/fs/bpf";

    /// <summary>The folder of all instances.</summary>
    public const string Root = FileSystem + "/portcullis";

    private const string QdiscPrefix = "qdisc_";
    private const string LinkPrefix = "link_";

    public string Folder { get; } = Path.Combine(Root, instance);

    public string Permits => Path.Combine(Folder, $"permits_v{Native.Pc.LayoutVersion}");

    public string Config => Path.Combine(Folder, $"config_v{Native.Pc.LayoutVersion}");

    /// <summary>An empty folder that says: the clsact qdisc of this interface is ours to remove. The file system takes no other marks.</summary>
    public string QdiscMark(int ifindex) => Path.Combine(Folder, $"{QdiscPrefix}{ifindex}");

    /// <summary>The interfaces marked in any folder of an instance.</summary>
    public static IEnumerable<int> MarkedQdiscs(string folder) =>
        Directory.EnumerateDirectories(folder, QdiscPrefix + "*").Select(mark => int.Parse(Path.GetFileName(mark)[QdiscPrefix.Length..]));

    /// <summary>The TCX link of a hook of an interface.</summary>
    public string Link(int ifindex, Native.TcHook hook) => Link(Folder, ifindex, hook);

    /// <summary>The same in the folder of any instance.</summary>
    public static string Link(string folder, int ifindex, Native.TcHook hook) => Path.Combine(folder, $"{LinkPrefix}{ifindex}_{(int)hook}");

    /// <summary>Every TCX link in the folder of an instance, with the interface its name says.</summary>
    public static IEnumerable<(string Path, int Ifindex, Native.TcHook Hook)> Links(string folder) =>
        from path in Directory.EnumerateFiles(folder, LinkPrefix + "*_?")
        let parts = Path.GetFileName(path)[LinkPrefix.Length..].Split('_')
        select (path, int.Parse(parts[0]), (Native.TcHook)int.Parse(parts[1]));

    /// <summary>Whether the BPF file system is mounted where it belongs.</summary>
    public static bool IsMounted() =>
        File.ReadLines("/proc/thread-self/mounts").Select(line => line.Split(' ')).Any(fields => fields is [_, FileSystem, "bpf", ..]);
}
