using System.Diagnostics;
using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Benchmarks.Packets;

/// <summary>Times programs in BPF_PROG_TEST_RUN.</summary>
internal static class ProgramTimer
{
    /// <summary>
    /// The mean time of one run. The kernel's own figure is in whole nanoseconds, a tenth of what is measured here; the clock of this
    /// process adds the system call, about 2 us shared by all runs, for the empty program as well.
    /// </summary>
    public static double Nanoseconds(int program, ReadOnlySpan<byte> frame, int runs)
    {
        var start = Stopwatch.GetTimestamp();
        BpfProgram.Run(program, frame, runs);
        return Stopwatch.GetElapsedTime(start).TotalNanoseconds / runs;
    }
}
