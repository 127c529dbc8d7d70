using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Portcullis.Benchmarks.Measuring;

/// <summary>A column computed from the medians of a summary.</summary>
internal sealed class DerivedColumn(string name, string legend, UnitType unit, Func<Summary, BenchmarkCase, double?> value) : IColumn
{
    public string Id => name;

    public string ColumnName => name;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => unit;

    public string Legend => legend;

    /// <summary>The median over that of another case of the same run.</summary>
    public static DerivedColumn Ratio(string reference, Func<BenchmarkCase, (string Method, Setting Setting)> of) => new(
        $"Of {reference}",
        $"The median over that of {reference} in the same run",
        UnitType.Dimensionless,
        (summary, benchmark) => Own(summary, benchmark) / CaseKey.Median(summary, of(benchmark).Method, of(benchmark).Setting));

    /// <summary>The median minus that of another case of the same run.</summary>
    public static DerivedColumn Above(string reference, Func<BenchmarkCase, (string Method, Setting Setting)> of) => new(
        $"Above {reference} [ns]",
        $"The median minus that of {reference} in the same run",
        UnitType.Dimensionless,
        (summary, benchmark) => Own(summary, benchmark) - CaseKey.Median(summary, of(benchmark).Method, of(benchmark).Setting));

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
        value(summary, benchmarkCase)?.ToString("0.00", CultureInfo.InvariantCulture) ?? "-";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    private static double? Own(Summary summary, BenchmarkCase benchmark) => summary[benchmark]?.ResultStatistics?.Median;
}
