using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Portcullis.Benchmarks.Running;

/// <summary>How fast a processor is just now, by the time of a fixed piece of work.</summary>
internal static class Pace
{
    private const double Tolerance = 0.15;

    // Once: fresh memory would time the kernel's page faults as well.
    private static readonly ulong[] Memory = new ulong[65_536];

    private static double _best = double.MaxValue;

    /// <summary>How long was waited so far.</summary>
    public static TimeSpan Waited { get; private set; }

    /// <summary>The time of the work, in microseconds.</summary>
    public static double Measure()
    {
        var start = Stopwatch.GetTimestamp();
        Work();
        var time = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        _best = Math.Min(_best, time);
        return time;
    }

    /// <summary>
    /// Waits until the processor is about as fast as it was at its best in this run: a neighbour on a core's other thread makes everything slower
    /// by half, for seconds. Never longer than the profile allows in sum; from then on it does not wait, and <see cref="Yardstick"/> tells.
    /// </summary>
    public static void WaitForUsual()
    {
        var start = Stopwatch.GetTimestamp();
        while (Measure() > _best * (1 + Tolerance) && Waited + Stopwatch.GetElapsedTime(start) < Profile.Current.Patience)
        {
        }

        Waited += Stopwatch.GetElapsedTime(start);
    }

    // Four independent chains of arithmetic that meet in more memory than the first caches hold: they fill a processor's core, so that
    // somebody on the core's other thread shows. Compiled at once: the first times would be those of the compiler.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Work()
    {
        var (a, b, c, d) = (88172645463325252UL, 362436069362436069UL, 521288629521288629UL, 886751235886751235UL);
        for (var i = 0; i < 1_000_000; i++)
        {
            a ^= a << 13;
            b ^= b << 13;
            c ^= c << 13;
            d ^= d << 13;
            a ^= a >> 7;
            b ^= b >> 7;
            c ^= c >> 7;
            d ^= d >> 7;
            a ^= a << 17;
            b ^= b << 17;
            c ^= c << 17;
            d ^= d << 17;
            Memory[a & 65_535] += b ^ c ^ d;
        }
    }
}
