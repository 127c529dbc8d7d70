using BenchmarkDotNet.Running;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;

namespace Portcullis.Benchmarks.Lookup;

/// <summary>What judging one packet costs: the eBPF programs alone, then real packets on every datapath.</summary>
internal sealed class LookupSuite : ISuite
{
    public string Name => "lookup";

    public string Description => "one packet against rules and addresses, programs alone and real packets on every datapath (BenchmarkDotNet)";

    public Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        if (Bed.Missing(DatapathKind.Ebpf) is { } reason)
        {
            recorder.Skip("program", reason);
        }
        else
        {
            RunPrograms(recorder, folder);
        }

        RunPackets(recorder, folder);
        return Task.CompletedTask;
    }

    private static void RunPrograms(Recorder recorder, string folder)
    {
        static (string, Setting) Empty(BenchmarkCase benchmark) => (nameof(ProgramBenchmarks.Empty), CaseKey.SettingOf(benchmark));
        var suite = new DotNetSuite("program", folder);
        var summary = suite.Run<ProgramBenchmarks>([DerivedColumn.Above("empty", Empty), DerivedColumn.Ratio("empty", Empty)]);
        ProgramBenchmarks.Release();
        foreach (var report in summary.Reports)
        {
            var (name, setting) = (report.BenchmarkCase.Descriptor.WorkloadMethod.Name, CaseKey.SettingOf(report.BenchmarkCase));
            var empty = CaseKey.Median(summary, nameof(ProgramBenchmarks.Empty), setting);
            if (name == nameof(ProgramBenchmarks.Empty))
            {
                recorder.Add(suite.Time(report, "empty program", setting, "ns"));
                continue;
            }

            var time = suite.Time(report, $"{name.ToLowerInvariant()} packet", setting, "ns", empty, "empty program");
            recorder.Add(time);
            var above = time.Value - empty!.Value;
            recorder.Add(time with { Metric = "above empty", Value = above, Spread = time.Spread * time.Value / above, Ratio = null, Reference = null });
        }
    }

    private static void RunPackets(Recorder recorder, string folder)
    {
        foreach (var kind in Enum.GetValues<DatapathKind>())
        {
            if (Bed.Missing(kind) is { } reason)
            {
                recorder.Skip($"packet {kind.Text()}", reason);
            }
        }

        // Nothing denies there: a denied packet is compared with one that passes.
        static bool MakesSense(BenchmarkCase benchmark) =>
            benchmark.Descriptor.WorkloadMethod.Name != nameof(PacketBenchmarks.Denied) || CaseKey.SettingOf(benchmark).Kind is not (DatapathKind.None or DatapathKind.Empty);
        static (string, Setting) None(BenchmarkCase benchmark) => (
            benchmark.Descriptor.WorkloadMethod.Name is var name && name == nameof(PacketBenchmarks.Denied) ? nameof(PacketBenchmarks.Allowed) : name,
            new Setting(DatapathKind.None.Text(), Profile.MiddleRules, Profile.MiddleAddresses, CaseKey.SettingOf(benchmark).Family));

        var suite = new DotNetSuite("packet", folder);
        var summary = suite.Run<PacketBenchmarks>([DerivedColumn.Above("none", None), DerivedColumn.Ratio("none", None)], MakesSense);
        Loaded.Release();
        foreach (var report in summary.Reports)
        {
            var (method, reference) = None(report.BenchmarkCase);
            var setting = CaseKey.SettingOf(report.BenchmarkCase);
            recorder.Add(suite.Time(
                report,
                $"{report.BenchmarkCase.Descriptor.WorkloadMethod.Name.ToLowerInvariant()} packet",
                setting,
                "ns",
                setting.Kind == DatapathKind.None ? null : CaseKey.Median(summary, method, reference),
                "none"));
        }
    }
}
