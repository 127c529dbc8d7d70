using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Portcullis.Benchmarks.Results;

namespace Portcullis.Benchmarks.Running;

/// <summary>Whether the machine holds still: the same work again and again, and what others do meanwhile.</summary>
internal sealed class Yardstick
{
    private const double Tolerance = 0.10;
    private const int Rounds = 33;

    private readonly List<double> _times = [];
    private readonly (double Others, double All) _start = ReadProcessors();

    // Once: fresh memory would time the kernel's page faults as well.
    private readonly ulong[] _memory = new ulong[65_536];

    /// <summary>Times the work; between suites.</summary>
    public void Measure()
    {
        var rounds = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            Work();
            rounds.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }

        // Most figures are medians or minima: they bear single disturbances as this one does.
        _times.Add(Statistics.Percentile(rounds, 0.25));
    }

    /// <summary>The judgement over everything since the start.</summary>
    public Noise Judge()
    {
        var now = ReadProcessors();
        var drift = (_times.Max() / _times.Min()) - 1;
        var others = Math.Max(0, (now.Others - _start.Others) / Math.Max(1e-9, now.All - _start.All));
        var isNoisy = drift > Tolerance || others > Tolerance;
        var verdict = isNoisy ? "too noisy: do not compare these figures with another run's" : "quiet enough to compare";
        return new Noise(drift, others, isNoisy, _times.Min(), string.Create(
            CultureInfo.InvariantCulture, $"{verdict} (a fixed piece of work varied by {drift:P0}, others had {others:P0} of the processors; limit {Tolerance:P0} each)"));
    }

    // Four independent chains of arithmetic that meet in more memory than the first caches hold: they fill a processor's core, so that
    // somebody on the core's other thread shows. Compiled at once: the first times would be those of the compiler.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Work()
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
            _memory[a & 65_535] += b ^ c ^ d;
        }
    }

    /// <summary>Processor seconds of what is not this process and its ended children, and of everything including idling.</summary>
    private static (double Others, double All) ReadProcessors()
    {
        // /proc/stat: user nice system idle iowait irq softirq steal, in hundredths of a second.
        var times = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8)
            .Select(text => double.Parse(text, CultureInfo.InvariantCulture) / 100).ToArray();
        var idle = times[3] + times[4];

        // /proc/self/stat, counted after the name in brackets: 11 to 14 are own and children's user and system time.
        var stat = File.ReadAllText("/proc/self/stat");
        var own = stat[(stat.LastIndexOf(')') + 2)..].Split(' ').Skip(11).Take(4)
            .Sum(text => double.Parse(text, CultureInfo.InvariantCulture) / 100);
        return (times.Sum() - idle - own, times.Sum());
    }
}
