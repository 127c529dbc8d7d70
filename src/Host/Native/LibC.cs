using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

[assembly: DisableRuntimeMarshalling]

namespace Portcullis.Host.Native;

/// <summary>The C library, names as in C. Everything returns -1 and sets errno on failure.</summary>
internal static unsafe partial class LibC
{
    internal const int AF_NETLINK = 16;
    internal const int SOCK_RAW = 3;
    internal const int SOCK_NONBLOCK = 0x800;
    internal const int SOCK_CLOEXEC = 0x80000;
    internal const int NETLINK_ROUTE = 0;
    internal const int SOL_SOCKET = 1;
    internal const int SO_RCVBUFFORCE = 33;
    internal const int MSG_TRUNC = 0x20;
    internal const short POLLIN = 1;
    internal const short POLLOUT = 4;
    internal const int EFD_CLOEXEC = 0x80000;
    internal const int CLONE_NEWNET = 0x40000000;
    internal const int SIGTERM = 15;
    internal const int EINTR = 4;
    internal const int EAGAIN = 11;
    internal const int EPIPE = 32;
    internal const int ENOBUFS = 105;

    private const string Library = "libc";

    [StructLayout(LayoutKind.Sequential)]
    internal struct sockaddr_nl
    {
        public ushort nl_family;
        public ushort nl_pad;
        public uint nl_pid;
        public uint nl_groups;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollFd
    {
        public int fd;
        public short events;
        public short revents;
    }

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int bind(SafeFileHandle fd, sockaddr_nl* address, int length);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int setsockopt(SafeFileHandle fd, int level, int name, int* value, int length);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint send(SafeFileHandle fd, byte* buffer, nint length, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint recvfrom(SafeFileHandle fd, byte* buffer, nint length, int flags, sockaddr_nl* from, int* fromLength);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int poll(PollFd* fds, nuint count, int timeout);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int eventfd_write(SafeFileHandle fd, ulong value);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int setns(SafeFileHandle fd, int type);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint write(int fd, byte* buffer, nint length);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int kill(int process, int signal);

    [LibraryImport(Library)]
    internal static partial uint geteuid();

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mount(string source, string target, string type, nuint flags, nint data);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int umount(string target);
}
