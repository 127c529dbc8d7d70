using System.Globalization;
using System.Text;

namespace Portcullis.Benchmarks.Results;

/// <summary>A run as Markdown.</summary>
internal static class Tables
{
    /// <summary>The whole run.</summary>
    public static string Report(RunFile run)
    {
        var text = new StringBuilder($"# Benchmarks, profile {run.Profile}\n\n{About(run)}\n\n## Targets\n\n{TargetTable(run)}\n");
        foreach (var suite in run.Results.GroupBy(result => result.Suite))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n## {suite.Key}\n\n{ResultTable(suite)}\n");
        }

        return text.Append(SkippedList(run)).ToString();
    }

    /// <summary>What was measured on.</summary>
    public static string About(RunFile run)
    {
        var machine = run.Machine;
        var tools = string.Join(", ", machine.Tools.Select(tool => $"{tool.Key} {tool.Value}"));
        return string.Create(CultureInfo.InvariantCulture, $"""
            {machine.Processors} processors ({machine.Processor}{(machine.IsVirtual ? ", virtual machine" : string.Empty)}, {machine.Architecture}), {machine.MemoryGigabytes} GB;
            Linux {machine.Kernel}, {machine.System}, {machine.Runtime}; {tools}.
            Profile {run.Profile}, {run.Results.Count} figures in {run.Seconds / 60:0.0} minutes. The machine was {run.Noise.Verdict}.
            """);
    }

    public static string TargetTable(RunFile run) => Table(
        ["target", "limit", "measured", "verdict"],
        run.Targets.Select(target => new[]
        {
            target.What,
            $"{(target.IsHigherBetter ? "at least" : "at most")} {Number(target.Limit)} {target.Unit}",
            target.Measured is { } value ? $"{Number(value)} {target.Unit}" : "-",
            target.Verdict(),
        }),
        numericFrom: 1);

    public static string ResultTable(IEnumerable<Result> results) => Table(
        ["what", "datapath", "sizes", "metric", "median", "spread", "in proportion"],
        results.Select(result => new[]
        {
            result.Case,
            result.Datapath,
            result.Sizes(),
            result.Metric,
            $"{Number(result.Value)} {result.Unit}",
            result.Samples > 1 ? $"±{result.Spread:P0}" : "-",
            result.Ratio is { } ratio ? $"{Number(ratio)} of {result.Reference}" : "-",
        }),
        numericFrom: 4);

    public static string SkippedList(RunFile run) => run.Skipped.Count == 0
        ? string.Empty
        : $"\n## Not measured\n\n{string.Join('\n', run.Skipped.Select(skip => $"- {skip.What}: {skip.Reason}"))}\n";

    /// <summary>Three digits that mean something.</summary>
    public static string Number(double value) => Math.Abs(value) switch
    {
        0 => "0",
        >= 100 => value.ToString("#,0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.#", CultureInfo.InvariantCulture),
        _ => value.ToString("0.##", CultureInfo.InvariantCulture),
    };

    private static string Table(string[] header, IEnumerable<string[]> rows, int numericFrom)
    {
        var lines = new List<string>
        {
            $"| {string.Join(" | ", header)} |",
            $"| {string.Join(" | ", header.Select((_, column) => column < numericFrom ? "---" : "---:"))} |",
        };
        lines.AddRange(rows.Select(row => $"| {string.Join(" | ", row)} |"));
        return string.Join('\n', lines);
    }
}
