using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>The few system calls the framework does not offer.</summary>
internal static unsafe partial class LibC
{
    private const string Library = "libc";

    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;
    public const int MAP_SHARED = 1;
    public const int CLOCK_MONOTONIC_COARSE = 6;
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int EINTR = 4;
    public const int EAGAIN = 11;
    public const int EACCES = 13;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int ENODEV = 19;
    public const int EINVAL = 22;
    public const int ENOBUFS = 105;
    public const int POLLIN = 1;
    public const int MSG_DONTWAIT = 0x40;

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint mmap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int munmap(nint address, nuint length);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int close(int fd);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint send(int fd, void* buffer, nuint length, int flags);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint recv(int fd, void* buffer, nuint length, int flags);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial if_nameindex_entry* if_nameindex();

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial void if_freenameindex(if_nameindex_entry* entries);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bind(int fd, void* address, uint length);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int poll(PollEntry* entries, nuint count, int milliseconds);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int eventfd(uint value, int flags);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint write(int fd, void* buffer, nuint length);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int clock_getres(int clock, Timespec* resolution);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint syscall(nint number, nint command, void* attributes, nint size);

    [StructLayout(LayoutKind.Sequential)]
    internal struct Timespec
    {
        public nint tv_sec;
        public nint tv_nsec;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollEntry
    {
        public int fd;
        public short events;
        public short revents;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct if_nameindex_entry
    {
        public uint index;
        public byte* name;
    }
}
