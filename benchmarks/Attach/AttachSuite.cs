using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;

namespace Portcullis.Benchmarks.Attach;

/// <summary>How fast a datapath attaches pods that come to a node.</summary>
internal sealed class AttachSuite : ISuite
{
    public string Name => "attach";

    public string Description => "pods that come to a node all at once, pods a second (BenchmarkDotNet)";

    public Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        static double? PodsPerSecond(Summary summary, BenchmarkCase benchmark) => summary[benchmark]?.ResultStatistics is { } statistics
            ? PodsOf(CaseKey.SettingOf(benchmark)) / (statistics.Median / 1e9)
            : null;
        var suite = new DotNetSuite(Name, folder);
        var summary = suite.Run<AttachBenchmarks>([new DerivedColumn("Pods/s", "Pods over the median time", UnitType.Dimensionless, PodsPerSecond)]);
        foreach (var report in summary.Reports)
        {
            var setting = CaseKey.SettingOf(report.BenchmarkCase);
            var parameters = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["pods"] = $"{PodsOf(setting)}" };
            var time = suite.Time(report, "pods that come at once", setting, "ms") with { Parameters = parameters };
            recorder.Add(time);
            recorder.Add(time with { Metric = "rate", Unit = "pods/s", Value = PodsOf(setting) / (time.Value / 1e3), IsHigherBetter = true });
        }

        return Task.CompletedTask;
    }

    private static int PodsOf(Setting setting) => setting.Rules / RuleWorld.RulesPerPolicy;
}
