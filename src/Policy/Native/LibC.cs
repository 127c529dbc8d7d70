using System.Runtime.InteropServices;

namespace Portcullis.Policy.Native;

/// <summary>The call of libc the framework does not offer: what kind of file a path leads to, without opening it.</summary>
internal static partial class LibC
{
    private const int AT_FDCWD = -100;
    private const uint STATX_TYPE = 1;
    private const int S_IFMT = 0xf000;
    private const int S_IFREG = 0x8000;

    // struct statx is the same on every architecture.
    private const int StatxSize = 256;
    private const int ModeOffset = 28;

    /// <summary>Whether the path leads to a pipe, a device or a socket; false when it cannot be told, which opening it will.</summary>
    public static bool IsSpecialFile(string path)
    {
        Span<byte> status = stackalloc byte[StatxSize];
        return statx(AT_FDCWD, path, 0, STATX_TYPE, ref MemoryMarshal.GetReference(status)) == 0
            && (MemoryMarshal.Read<ushort>(status[ModeOffset..]) & S_IFMT) != S_IFREG;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int dirfd, string pathname, int flags, uint mask, ref byte statxbuf);
}
