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
    /// <exception cref="ForeignPinException">Something else has this name.</exception>
    public static FdHandle? TryOpen(string path, BpfPinKind kind)
    {
        var fd = LibBpf.bpf_obj_get(path);
        if (fd == -LibC.ENOENT)
        {
            return null;
        }

        if (fd is -LibC.EACCES or -LibC.EINVAL)
        {
            throw new ForeignPinException(path);
        }

        var handle = new FdHandle(BpfException.Check(fd, $"opening pin {path}"));
        var field = kind == BpfPinKind.Map ? "map_type:" : "link_type:";
        if (!File.ReadLines($"/proc/self/fdinfo/{fd}").Any(line => line.StartsWith(field, StringComparison.Ordinal)))
        {
            handle.Dispose();
            throw new ForeignPinException(path);
        }

        return handle;
    }

}
