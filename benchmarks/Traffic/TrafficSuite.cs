using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;

namespace Portcullis.Benchmarks.Traffic;

/// <summary>
/// Traffic between two pods, both policed in both directions: every datapath on a node of its own, all nodes there at once, and in each
/// round all of them one after another, so that what the machine does meanwhile hits all.
/// </summary>
internal sealed class TrafficSuite : ISuite
{
    public string Name => "traffic";

    public string Description => "TCP throughput, connects, datagrams, round trips, processor time through policed pods, on every datapath";

    public Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        var world = new RuleWorld(Profile.MiddleRules, Profile.MiddleAddresses);
        var beds = new List<Bed>();
        var samples = new Dictionary<Measure, Dictionary<string, List<double>>>();
        var hasIperf = Commands.Exists("iperf3");
        if (!hasIperf)
        {
            recorder.Skip("traffic: TCP throughput", "iperf3 is not installed: apt-get install iperf3");
        }

        try
        {
            foreach (var kind in Enum.GetValues<DatapathKind>())
            {
                if (Bed.Missing(kind) is { } reason)
                {
                    recorder.Skip($"traffic {kind.Text()}", reason);
                    continue;
                }

                var bed = Bed.Create(kind, kind is DatapathKind.Ebpf or DatapathKind.Iptables ? world.Pods - 1 : 0);
                beds.Add(bed);
                bed.Load(world);
            }

            // The first round warms up.
            for (var round = 0; round <= Profile.Current.TrafficRounds; round++)
            {
                foreach (var bed in beds)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    foreach (var (measure, value) in MeasureAll(bed, hasIperf))
                    {
                        if (round > 0)
                        {
                            var of = samples.TryGetValue(measure, out var known) ? known : samples[measure] = [];
                            (of.TryGetValue(bed.Kind.Text(), out var values) ? values : of[bed.Kind.Text()] = []).Add(value);
                        }
                    }
                }
            }
        }
        finally
        {
            beds.ForEach(bed => bed.Dispose());
        }

        var sizes = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["rules"] = $"{world.Rules}", ["addresses"] = $"{world.Addresses}" };
        foreach (var (measure, values) in samples)
        {
            recorder.Add(
                datapath => new Result(Name, measure.Case, datapath, sizes, measure.Metric, measure.Unit, 0) { IsHigherBetter = measure.IsHigherBetter },
                values,
                DatapathKind.Empty.Text());
        }

        return Task.CompletedTask;
    }

    private static IEnumerable<(Measure Measure, double Value)> MeasureAll(Bed bed, bool hasIperf)
    {
        if (hasIperf)
        {
            var (bits, processor) = Throughput.Run(bed, TimeSpan.FromSeconds(1));
            yield return (new Measure("TCP stream", "throughput", "Gbit/s", true), bits / 1e9);
            yield return (new Measure("TCP stream", "processor time", "us/MB", false), processor.TotalMicroseconds / (bits / 8e6));
        }

        yield return (new Measure("TCP connections", "connects", "1/s", true), Connections.PerSecond(bed, count: 2_000));
        var datagrams = Datagrams.Flood(bed, TimeSpan.FromMilliseconds(400));
        yield return (new Measure("UDP datagrams", "packets", "1/s", true), datagrams.PerSecond);
        yield return (new Measure("UDP datagrams", "processor time", "ns/packet", false), datagrams.Processor);
        var trips = Datagrams.RoundTrips(bed, count: 5_000);
        yield return (new Measure("UDP round trip", "p50", "us", false), Statistics.Percentile(trips, 0.5));
        yield return (new Measure("UDP round trip", "p99", "us", false), Statistics.Percentile(trips, 0.99));
    }

    private sealed record Measure(string Case, string Metric, string Unit, bool IsHigherBetter);
}
