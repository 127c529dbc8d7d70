using System.Runtime.InteropServices;

namespace Portcullis.Host.Native;

/// <summary>A system call failed.</summary>
internal sealed class NativeException(string operation, int errno)
    : IOException($"{operation}: {Marshal.GetPInvokeErrorMessage(errno)}")
{
    /// <summary>The error number.</summary>
    public int Errno { get; } = errno;

    /// <summary>The failure that the last call of this thread left behind.</summary>
    public static NativeException Last(string operation) => new(operation, Marshal.GetLastPInvokeError());
}
