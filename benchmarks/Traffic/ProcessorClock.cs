using System.Globalization;

namespace Portcullis.Benchmarks.Traffic;

/// <summary>What all processors together have worked so far, in the kernel's ticks.</summary>
internal static class ProcessorClock
{
    private const double TicksPerSecond = 100;

    /// <summary>Time in which a processor did something, interrupts included.</summary>
    public static TimeSpan Now()
    {
        // user nice system idle iowait irq softirq
        var times = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1)
            .Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        return TimeSpan.FromSeconds((times[0] + times[1] + times[2] + times[5] + times[6]) / TicksPerSecond);
    }
}
