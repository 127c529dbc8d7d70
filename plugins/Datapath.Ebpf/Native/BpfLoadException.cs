using System.Runtime.InteropServices;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>The kernel's verifier refused a program. The message has the end of what it said and where all of it is.</summary>
internal sealed class BpfLoadException : DatapathException
{
    private const int ShownLines = 3;

    public BpfLoadException(string program, int errno, string log)
        : base($"eBPF program {program} was refused: {Marshal.GetPInvokeErrorMessage(errno)}: {Tail(log)}; {Keep(program, log)}") => Log = log;

    /// <summary>Everything the verifier said.</summary>
    public string Log { get; }

    /// <summary>Where the whole log of a program is kept, until it is refused again.</summary>
    public static string FileOf(string program) => $"/run/portcullis/verifier-{program}.log";

    // The last line only counts instructions.
    private static string Tail(string log) => string.Join(" | ", log
        .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Where(line => !line.StartsWith("processed ", StringComparison.Ordinal))
        .TakeLast(ShownLines));

    private static string Keep(string program, string log)
    {
        var path = FileOf(program);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, log);
            return $"the whole log is in {path}";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the whole log could not be kept: {e.Message}";
        }
    }
}
