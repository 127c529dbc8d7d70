namespace Portcullis.Datapath.Ebpf;

/// <summary>Where an instance keeps what must outlive it. Names hold the layout version: what another layout left is never misread.</summary>
internal sealed class EbpfPaths(string instance)
{
    /// <summary>The BPF file system.</summary>
    public const string FileSystem = "/sys/fs/bpf";

    /// <summary>The folder of all instances.</summary>
    public const string Root = FileSystem + "/portcullis";

    private const string PermitsPrefix = "permits_v";
    private const string ConfigPrefix = "config_v";
    private const string QdiscPrefix = "qdisc_";
    private const string LinkPrefix = "link_";

    public string Folder { get; } = Path.Combine(Root, instance);

    public string Permits => Path.Combine(Folder, $"{PermitsPrefix}{Native.Pc.LayoutVersion}");

    public string Config => Path.Combine(Folder, $"{ConfigPrefix}{Native.Pc.LayoutVersion}");

    /// <summary>What an agent of another layout left. Links and marks are the same in every layout.</summary>
    public IEnumerable<string> OfOtherLayouts() =>
        new[] { PermitsPrefix, ConfigPrefix }.SelectMany(prefix => Directory.EnumerateFiles(Folder, prefix + "*"))
            .Where(path => path != Permits && path != Config);

    /// <summary>An empty folder that says: the clsact qdisc of this interface is ours to remove. The file system takes no other marks.</summary>
    public string QdiscMark(int ifindex) => Path.Combine(Folder, $"{QdiscPrefix}{ifindex}");

    /// <summary>The interfaces marked in any folder of an instance.</summary>
    public static IEnumerable<int> MarkedQdiscs(string folder) =>
        from mark in Directory.EnumerateDirectories(folder, QdiscPrefix + "*")
        let ifindex = int.TryParse(Path.GetFileName(mark)[QdiscPrefix.Length..], out var number) ? number : 0
        where ifindex > 0
        select ifindex;

    /// <summary>The TCX link of a hook of an interface.</summary>
    public string Link(int ifindex, Native.TcHook hook) => Link(Folder, ifindex, hook);

    /// <summary>The same in the folder of any instance.</summary>
    public static string Link(string folder, int ifindex, Native.TcHook hook) => Path.Combine(folder, $"{LinkPrefix}{ifindex}_{(int)hook}");

    /// <summary>Every TCX link in the folder of an instance, with the interface its name says.</summary>
    public static IEnumerable<(string Path, int Ifindex, Native.TcHook Hook)> Links(string folder) =>
        from path in Directory.EnumerateFiles(folder, LinkPrefix + "*_?")
        let parts = Path.GetFileName(path)[LinkPrefix.Length..].Split('_')
        let ifindex = int.TryParse(parts[0], out var number) ? number : 0
        where ifindex > 0 && parts is [_, "1" or "2"]
        select (path, ifindex, (Native.TcHook)int.Parse(parts[1]));

    /// <summary>Whether the BPF file system is mounted where it belongs and can be written to; null: it is not mounted.</summary>
    public static bool? IsWritable()
    {
        // Of several mounts at one place the last is on top.
        var mount = File.ReadLines("/proc/thread-self/mounts").Select(line => line.Split(' ')).LastOrDefault(fields => fields is [_, FileSystem, ..]);
        return mount is [_, _, "bpf", var options, ..] ? options.Split(',').Contains("rw") : null;
    }
}
