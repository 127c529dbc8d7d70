using System.Runtime.InteropServices;
using Portcullis.Sources.Files.Native;

namespace Portcullis.Sources.Files;

/// <summary>What tells two states of a file apart without reading it. Links are followed.</summary>
internal readonly record struct FileStamp(ulong Device, ulong Inode, ulong Size, long Seconds, uint Nanoseconds)
{
    /// <summary>Whether it is a regular file, as opposed to a folder or a pipe that would block its reader.</summary>
    public bool IsRegular { get; private init; }

    /// <summary>Whether it is a folder.</summary>
    public bool IsFolder { get; private init; }

    /// <summary>Whether it has more than one name.</summary>
    public bool IsLinked { get; private init; }

    /// <summary>The stamp of a path; when there is none, null and why.</summary>
    public static FileStamp? Of(string path, out string error)
    {
        error = string.Empty;
        if (LibC.statx(LibC.AT_FDCWD, path, 0, LibC.STATX_BASIC_STATS, out var stat) != 0)
        {
            error = Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
            return null;
        }

        var type = stat.Mode & LibC.S_IFMT;
        return new FileStamp(((ulong)stat.DevMajor << 32) | stat.DevMinor, stat.Ino, stat.Size, stat.MtimeSeconds, stat.MtimeNanoseconds)
        {
            IsRegular = type == LibC.S_IFREG,
            IsFolder = type == LibC.S_IFDIR,
            IsLinked = stat.Nlink > 1,
        };
    }
}
