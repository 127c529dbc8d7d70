using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Portcullis.Benchmarks.Measuring;

/// <summary>Reads the cases of a summary.</summary>
internal static class CaseKey
{
    public static Setting SettingOf(BenchmarkCase benchmark) => (Setting)benchmark.Parameters[nameof(Setting)];

    /// <summary>The median, in nanoseconds, of the case that differs only so; null when it was not measured.</summary>
    public static double? Median(Summary summary, string method, Setting setting) =>
        summary.Reports.FirstOrDefault(report => report.BenchmarkCase.Descriptor.WorkloadMethod.Name == method && SettingOf(report.BenchmarkCase) == setting)
            ?.ResultStatistics?.Median;
}
