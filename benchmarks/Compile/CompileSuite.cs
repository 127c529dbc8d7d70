using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Running;

namespace Portcullis.Benchmarks.Compile;

/// <summary>What policies to rules cost, without a kernel.</summary>
internal sealed class CompileSuite : ISuite
{
    /// <summary>The size of the target.</summary>
    public const int TargetNamespaces = 25_000;

    public string Name => "compile";

    public string Description => "policies to rules: full and incremental compile times, memory, up to 100,000 pods";

    public Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        new CompileScenario(recorder).Run(Profile.Current == Profile.Smoke ? 100 : TargetNamespaces);
        var suite = new DotNetSuite(Name, folder);
        foreach (var report in suite.Run<CompileBenchmarks>([]).Reports)
        {
            var setting = CaseKey.SettingOf(report.BenchmarkCase);
            var isWhole = report.BenchmarkCase.Descriptor.WorkloadMethod.Name == nameof(CompileBenchmarks.Everything);
            var (name, unit) = isWhole ? ("everything", "ms") : ("one label", "us");
            var size = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["pods"] = $"{setting.Addresses}", ["policies"] = $"{setting.Rules}" };
            recorder.Add(suite.Time(report, name, setting, unit) with { Parameters = size });
            recorder.Add(suite.Allocated(report, name, setting) with { Parameters = size });
        }

        return Task.CompletedTask;
    }
}
