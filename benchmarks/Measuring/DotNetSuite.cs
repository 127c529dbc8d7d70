using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Exporters.Json;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Mathematics.OutlierDetection;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;

namespace Portcullis.Benchmarks.Measuring;

/// <summary>Runs a BenchmarkDotNet class inside this process, which has the privileges and the network namespaces that it needs.</summary>
/// <param name="suite">The suite's name in results.</param>
/// <param name="folder">Where BenchmarkDotNet's own reports go.</param>
internal sealed class DotNetSuite(string suite, string folder)
{
    /// <summary>Runs all cases of a class.</summary>
    /// <param name="columns">Columns of its Markdown table beside the usual ones.</param>
    /// <param name="filter">Which cases make sense.</param>
    /// <exception cref="BenchException">A case failed.</exception>
    public Summary Run<T>(IReadOnlyList<IColumn> columns, Func<BenchmarkCase, bool>? filter = null)
    {
        Directory.CreateDirectory(folder);
        using var log = new StreamLogger(Path.Combine(folder, $"{suite}.log"));
        var job = Job.Default
            .WithToolchain(new InProcessEmitToolchain(TimeSpan.FromMinutes(30), logOutput: true))
            .WithStrategy(RunStrategy.Monitoring)
            .WithWarmupCount(2)
            .WithIterationCount(Profile.Current.Iterations)
            .WithInvocationCount(1)
            .WithUnrollFactor(1)
            .WithOutlierMode(OutlierMode.DontRemove);
        var config = ManualConfig.CreateEmpty()
            .AddJob(job)
            .AddLogger(log)
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Descriptor, DefaultColumnProviders.Params, DefaultColumnProviders.Statistics, DefaultColumnProviders.Metrics)
            .AddColumn(StatisticColumn.Median)
            .AddColumn([.. columns])
            .AddExporter(MarkdownExporter.GitHub, JsonExporter.Full)
            .AddFilter(new SimpleFilter(filter ?? (_ => true)))
            .WithArtifactsPath(folder)
            .WithOptions(ConfigOptions.DisableLogFile);
        var summary = BenchmarkRunner.Run<T>(config);
        if (summary.HasCriticalValidationErrors || summary.Reports.Length == 0)
        {
            throw new BenchException($"{suite}: BenchmarkDotNet refused: {string.Join("; ", summary.ValidationErrors.Select(error => error.Message))}");
        }

        return summary.Reports.FirstOrDefault(report => !report.Success) is { } failed
            ? throw new BenchException($"{suite}: {failed.BenchmarkCase.DisplayInfo} failed: see {Path.Combine(folder, $"{suite}.log")}")
            : summary;
    }

    /// <summary>What a report says about time, in the unit that suits.</summary>
    public Result Time(BenchmarkReport report, string name, Setting setting, string unit, double? reference = null, string? referenceName = null)
    {
        var nanoseconds = report.AllMeasurements
            .Where(measurement => measurement.Is(IterationMode.Workload, IterationStage.Result))
            .Select(measurement => measurement.Nanoseconds / measurement.Operations)
            .ToList();
        var median = Statistics.Median(nanoseconds);
        return new Result(suite, name, setting.Datapath, setting.Parameters(), "time", unit, median / NanosecondsIn(unit))
        {
            Spread = Statistics.Spread(nanoseconds),
            Samples = nanoseconds.Count,
            Ratio = median / reference,
            Reference = reference is null ? null : referenceName,
        };
    }

    /// <summary>What a report says about memory.</summary>
    public Result Allocated(BenchmarkReport report, string name, Setting setting) => new(
        suite, name, setting.Datapath, setting.Parameters(), "allocated", "B", report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) ?? 0);

    private static double NanosecondsIn(string unit) => unit switch
    {
        "ns" => 1,
        "us" => 1e3,
        "ms" => 1e6,
        _ => throw new ArgumentOutOfRangeException(nameof(unit)),
    };
}
