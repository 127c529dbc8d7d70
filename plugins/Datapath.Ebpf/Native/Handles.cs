using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>A loaded object file; programs and maps looked up in it live as long as it.</summary>
internal sealed class BpfObjectHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    public BpfObjectHandle(nint obj)
        : this() => SetHandle(obj);

    protected override bool ReleaseHandle()
    {
        LibBpf.bpf_object__close(handle);
        return true;
    }
}

/// <summary>A file descriptor.</summary>
internal sealed class FdHandle : SafeHandleMinusOneIsInvalid
{
    public FdHandle(int fd)
        : base(ownsHandle: true) => SetHandle(fd);

    /// <summary>The number; valid while this object is reachable and not disposed.</summary>
    public int Fd => (int)handle;

    protected override bool ReleaseHandle() => LibC.close((int)handle) == 0;
}

/// <summary>The memory of a table, shared with the programs that read it.</summary>
internal sealed unsafe class MappedTable : SafeHandleMinusOneIsInvalid
{
    private readonly nuint _length;

    /// <exception cref="BpfException">The kernel refused.</exception>
    public MappedTable(string name, int fd, nuint length)
        : base(ownsHandle: true)
    {
        var page = (nuint)Environment.SystemPageSize;
        _length = (length + page - 1) / page * page;
        SetHandle(LibC.mmap(0, _length, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED, fd, 0));
        if (IsInvalid)
        {
            throw new BpfException($"mapping table {name} into memory", Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>The first entry. Valid until disposed.</summary>
    public void* Address => (void*)handle;

    protected override bool ReleaseHandle() => LibC.munmap(handle, _length) == 0;
}
