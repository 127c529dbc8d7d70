namespace Portcullis.Datapath.Ebpf.Native;

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
    public static FdHandle? TryOpen(string path)
    {
        var fd = LibBpf.bpf_obj_get(path);
        if (fd == -LibC.ENOENT)
        {
            return null;
        }

        return new FdHandle(BpfException.Check(fd, $"opening pin {path}"));
    }
}
