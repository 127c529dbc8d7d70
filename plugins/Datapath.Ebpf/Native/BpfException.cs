using Portcullis.Datapaths;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>The kernel refused an operation.</summary>
internal sealed class BpfException(string operation, int errno)
    : DatapathException($"{operation}: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})", IsTransientErrno(errno))
{
    public int Errno { get; } = errno;

    /// <summary>Throws when <paramref name="result"/> is -errno.</summary>
    public static int Check(int result, string operation) => result >= 0 ? result : throw new BpfException(operation, -result);

    // EINTR, EAGAIN, ENOMEM, EBUSY
    private static bool IsTransientErrno(int errno) => errno is 4 or 11 or 12 or 16;
}

