using System.Globalization;
using Portcullis.Benchmarks.Results;

namespace Portcullis.Benchmarks.Running;

/// <summary>Whether the machine holds still: the same work again and again, and what others do meanwhile.</summary>
internal sealed class Yardstick
{
    private const double Tolerance = 0.10;
    private const int Rounds = 33;

    private readonly List<double> _times = [];
    private readonly (double Others, double All) _start = ReadProcessors();

    /// <summary>Times the work of <see cref="Pace"/>; between suites.</summary>
    public void Measure()
    {
        var rounds = Enumerable.Range(0, Rounds).Select(_ => Pace.Measure()).ToList();

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
            CultureInfo.InvariantCulture, $"{verdict} (a fixed piece of work varied by {drift:P0}, others had {others:P0} of the processors; limit {Tolerance:P0} each; waited {Pace.Waited.TotalSeconds:F0} s for a neighbour to end)"));
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
