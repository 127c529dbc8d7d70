using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;

namespace Portcullis.Benchmarks.Packets;

/// <summary>Every kind of packet through the eBPF programs, beside single lookups in the kernel's own tables.</summary>
internal sealed class VerdictSuite : ISuite
{
    public string Name => "verdict";

    public string Description => "the eBPF programs against an empty one and against hash, LPM and LRU lookups, by BPF_PROG_TEST_RUN";

    public Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        if (Bed.Missing(DatapathKind.Ebpf) is { } reason)
        {
            recorder.Skip(Name, reason);
            return Task.CompletedTask;
        }

        using var bench = new VerdictBench();
        bench.Load();
        var sizes = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["addresses"] = $"{VerdictBench.Peers}" };
        foreach (var measurement in bench.Measure())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var result = new Result(Name, measurement.Packet, "ebpf", sizes, "time", "ns", measurement.Nanoseconds)
            {
                Spread = Statistics.Spread(measurement.Rounds),
                Samples = measurement.Rounds.Count,
            };
            recorder.Add(result with { Ratio = measurement.Nanoseconds / measurement.Empty, Reference = "empty program" });
            recorder.Add(result with { Metric = "above empty", Value = measurement.Above, Spread = result.Spread * result.Value / measurement.Above });
        }

        foreach (var figure in ScaleBench.Measure())
        {
            cancellationToken.ThrowIfCancellationRequested();
            recorder.Add(new Result(Name, figure.What, "ebpf", [], "size and change", figure.Unit, figure.Value));
        }

        return Task.CompletedTask;
    }
}
