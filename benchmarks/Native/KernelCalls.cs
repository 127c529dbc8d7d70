using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Portcullis.Benchmarks.Native;

/// <summary>What the kernel was asked for.</summary>
/// <param name="Bpf">Calls of bpf(2).</param>
/// <param name="Netlink">Messages sent to sockets: netlink, unless there is traffic.</param>
/// <param name="Programs">Programs started.</param>
internal sealed record KernelCallCounts(long Bpf, long Netlink, long Programs)
{
    public IEnumerable<(string Metric, long Count)> Named() => [("bpf calls", Bpf), ("messages sent", Netlink), ("programs started", Programs)];
}

/// <summary>Counts system calls of this process, all its threads and the programs they start, by perf tracepoints.</summary>
internal static unsafe partial class KernelCalls
{
    private const uint PERF_TYPE_TRACEPOINT = 2;
    private const uint PERF_TYPE_HARDWARE = 0;
    private const ulong PERF_COUNT_HW_INSTRUCTIONS = 1;
    private const ulong InheritBit = 1 << 1;
    private const ulong ExcludeHypervisorBit = 1 << 6;
    private const ulong PERF_FLAG_FD_CLOEXEC = 8;

    private static readonly string[] Tracepoints = ["sys_enter_bpf", "sys_enter_sendto", "sys_enter_sendmsg", "sys_enter_execve"];
    private static readonly Lazy<(ulong[] Ids, string? Missing)> Ids = new(ReadIds);

    /// <summary>Why calls cannot be counted here; null: they can.</summary>
    public static string? Missing() => Ids.Value.Missing;

    /// <summary>Counts what an action asks the kernel for; null when that is not possible here.</summary>
    public static KernelCallCounts? Count(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        if (Missing() is not null)
        {
            action();
            return null;
        }

        var counters = new List<(int Tracepoint, int Fd)>();
        try
        {
            // One counter for each thread there is; threads and programs that these start are counted with them.
            foreach (var thread in Directory.EnumerateDirectories("/proc/self/task").Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture)))
            {
                for (var i = 0; i < Tracepoints.Length; i++)
                {
                    counters.Add((i, Open(PERF_TYPE_TRACEPOINT, Ids.Value.Ids[i], InheritBit, thread)));
                }
            }

            action();
            var sums = new long[Tracepoints.Length];
            counters.ForEach(counter => sums[counter.Tracepoint] += Read(counter.Fd));
            return new KernelCallCounts(sums[0], sums[1] + sums[2], sums[3]);
        }
        finally
        {
            counters.ForEach(counter => _ = close(counter.Fd));
        }
    }

    /// <summary>Instructions the calling thread executes in an action, kernel included; null where the machine has no such counter.</summary>
    public static long? Instructions(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        int fd;
        try
        {
            fd = Open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, ExcludeHypervisorBit, thread: 0);
        }
        catch (BenchException)
        {
            return null;
        }

        try
        {
            action();
            return Read(fd);
        }
        finally
        {
            _ = close(fd);
        }
    }

    // In a mount namespace of its own: the numbers of tracepoints are only in tracefs, which need not be mounted here.
    private static (ulong[] Ids, string? Missing) ReadIds()
    {
        var files = string.Join(' ', Tracepoints.Select(name => $"/mnt/events/syscalls/{name}/id"));
        using var process = Process.Start(new ProcessStartInfo("unshare", ["-m", "sh", "-c", $"mount -t tracefs none /mnt && cat {files}"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            return ([], "this kernel has no system call tracepoints (CONFIG_FTRACE_SYSCALLS), or root is missing");
        }

        var ids = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => ulong.Parse(line, CultureInfo.InvariantCulture)).ToArray();
        try
        {
            _ = close(Open(PERF_TYPE_TRACEPOINT, ids[0], InheritBit, thread: 0));
            return (ids, null);
        }
        catch (BenchException exception)
        {
            return ([], exception.Message);
        }
    }

    private static int Open(uint type, ulong config, ulong flags, int thread)
    {
        var attributes = new perf_event_attr { type = type, size = (uint)sizeof(perf_event_attr), config = config, flags = flags };
        var number = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => 298,
            Architecture.Arm64 => 241,
            var other => throw new BenchException($"perf_event_open: its number on {other} is not known"),
        };
        var fd = (int)syscall(number, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
        return fd >= 0 ? fd : throw new BenchException($"perf_event_open: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    private static long Read(int fd)
    {
        long value;
        return read(fd, &value, sizeof(long)) == sizeof(long) ? value : throw new BenchException($"reading a perf counter: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, perf_event_attr* attributes, nint pid, nint cpu, nint group, ulong flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, void* buffer, nint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    /// <summary>struct perf_event_attr up to PERF_ATTR_SIZE_VER0.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct perf_event_attr
    {
        public uint type;
        public uint size;
        public ulong config;
        public ulong sample_period;
        public ulong sample_type;
        public ulong read_format;
        public ulong flags;
        public uint wakeup_events;
        public uint bp_type;
        public ulong bp_addr;
    }
}
