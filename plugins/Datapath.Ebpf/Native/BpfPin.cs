using Portcullis.Datapaths;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>What a pin can be, in the kernel's words.</summary>
internal enum BpfPinKind
{
    Map,
    Link,
}

/// <summary>Names of kernel objects in the BPF file system, which keep them alive without a process.</summary>
internal static class BpfPin
{
    /// <summary>Gives an object a name, taking it from whatever had it in one step.</summary>
    public static void Replace(int fd, string path)
    {
        // The BPF file system takes no dots in names.
        var next = path + "_next";
        File.Delete(next);
        BpfException.Check(LibBpf.bpf_obj_pin(fd, next), $"pinning {path}");
        File.Move(next, path, overwrite: true);
    }

    /// <summary>The object of this name; null when there is none.</summary>
    /// <exception cref="DatapathException">Something else has this name.</exception>
    public static FdHandle? TryOpen(string path, BpfPinKind kind)
    {
        var fd = LibBpf.bpf_obj_get(path);
        if (fd == -LibC.ENOENT)
        {
            return null;
        }

        if (fd is -LibC.EACCES or -LibC.EINVAL)
        {
            throw Foreign(path);
        }

        var handle = new FdHandle(BpfException.Check(fd, $"opening pin {path}"));
        if (File.ResolveLinkTarget($"/proc/self/fd/{fd}", returnFinalTarget: false)?.Name != (kind == BpfPinKind.Map ? "anon_inode:bpf-map" : "anon_inode:bpf_link"))
        {
            handle.Dispose();
            throw Foreign(path);
        }

        return handle;
    }

    /// <summary>What to say of a name of ours that somebody else has taken.</summary>
    public static DatapathException Foreign(string path) => new($"{path}: is not what Portcullis keeps there: remove it (rm -r {path})");
}
