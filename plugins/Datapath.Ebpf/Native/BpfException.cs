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

/// <summary>The kernel refused a program.</summary>
internal sealed class BpfLoadException(string program, int errno, string log)
    : DatapathException($"eBPF program {program} was refused: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)}{Tail(log)}")
{
    /// <summary>Everything the verifier said; empty when it said nothing.</summary>
    public string Log { get; } = log;

    private static string Tail(string log)
    {
        var lines = log.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var words = lines.LastOrDefault(line => !line.StartsWith("processed ", StringComparison.Ordinal));
        return words is null ? string.Empty : $": {words}";
    }
}
