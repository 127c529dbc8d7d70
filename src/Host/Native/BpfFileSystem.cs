namespace Portcullis.Host.Native;

/// <summary>
/// The BPF file system on a machine that has none mounted, for as long as the demo or the benchmarks want one. Their mount is known by
/// its source, so that of one that was killed goes with the next.
/// </summary>
internal static class BpfFileSystem
{
    private const string MountPoint = "/sys/fs/bpf";
    private const string Source = "portcullis";

    /// <summary>Mounts it unless it is mounted already. Where it cannot be, the eBPF datapath says what is missing.</summary>
    public static void MountIfMissing()
    {
        if (Directory.Exists(MountPoint) && MountedSource() is null)
        {
            _ = LibC.mount(Source, MountPoint, "bpf", 0, 0);
        }
    }

    /// <summary>Unmounts what <see cref="MountIfMissing"/> mounted, once nothing is in it but files that the kernel made.</summary>
    /// <exception cref="NativeException">The kernel refused.</exception>
    public static void UnmountOwn()
    {
        if (MountedSource() == Source
            && Directory.EnumerateFileSystemEntries(MountPoint).All(path => path.EndsWith(".debug", StringComparison.Ordinal))
            && LibC.umount(MountPoint) != 0)
        {
            throw NativeException.Last($"umount {MountPoint}");
        }
    }

    private static string? MountedSource() =>
        File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')).LastOrDefault(fields => fields[1] == MountPoint)?[0];
}
