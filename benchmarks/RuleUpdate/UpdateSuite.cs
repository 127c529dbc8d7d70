using System.Collections.Concurrent;
using BenchmarkDotNet.Running;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Native;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;

namespace Portcullis.Benchmarks.RuleUpdate;

/// <summary>What a change was counted to cost, beside the clock of BenchmarkDotNet.</summary>
/// <param name="Datapath">The datapath's share of the time, in microseconds.</param>
/// <param name="Allocated">The memory that each of some changes allocated, in bytes.</param>
/// <param name="Calls">What the kernel was asked for by each of them; none when this machine cannot count it.</param>
internal sealed record UpdateCounts(IReadOnlyList<double> Datapath, IReadOnlyList<double> Allocated, IReadOnlyList<KernelCallCounts> Calls);

/// <summary>What a change of rules costs until it is enforced.</summary>
internal sealed class UpdateSuite : ISuite
{
    private static readonly Dictionary<string, string> Cases = new()
    {
        [nameof(UpdateBenchmarks.PodAdded)] = "one pod added",
        [nameof(UpdateBenchmarks.PolicyChanged)] = "one policy changed",
        [nameof(UpdateBenchmarks.LabelFlipped)] = "one label flipped",
        [nameof(UpdateBenchmarks.EverythingReplaced)] = "all addresses replaced",
    };

    /// <summary>What the benchmarks counted, by case: they run in this process.</summary>
    public static ConcurrentDictionary<(Setting Setting, string Method), UpdateCounts> Counts { get; } = [];

    public string Name => "update";

    public string Description => "one change until it is enforced, against rules, on none, ebpf, iptables (BenchmarkDotNet)";

    public Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        if (KernelCalls.Missing() is { } reason)
        {
            recorder.Skip("update: kernel calls", reason);
        }

        static (string, Setting) None(BenchmarkCase benchmark) =>
            (benchmark.Descriptor.WorkloadMethod.Name, CaseKey.SettingOf(benchmark) with { Datapath = DatapathKind.None.Text() });
        var suite = new DotNetSuite(Name, folder);
        var summary = suite.Run<UpdateBenchmarks>([DerivedColumn.Ratio("none", None)]);
        Loaded.Release();
        foreach (var report in summary.Reports)
        {
            var (method, reference) = None(report.BenchmarkCase);
            var setting = CaseKey.SettingOf(report.BenchmarkCase);
            var time = suite.Time(report, Cases[method], setting, "us", setting == reference ? null : CaseKey.Median(summary, method, reference), "none");
            recorder.Add(time);
            var counts = Counts[(setting, method)];
            recorder.Add(time with { Metric = "allocated", Unit = "B", Ratio = null, Reference = null }, counts.Allocated);
            if (setting.Kind == DatapathKind.None)
            {
                continue;
            }

            recorder.Add(time with { Metric = "datapath's share", Ratio = null, Reference = null }, counts.Datapath);
            foreach (var counted in counts.Calls.SelectMany(calls => calls.Named()).GroupBy(named => named.Metric, named => (double)named.Count))
            {
                recorder.Add(time with { Metric = counted.Key, Unit = "calls", Ratio = null, Reference = null }, [.. counted]);
            }
        }

        return Task.CompletedTask;
    }
}
