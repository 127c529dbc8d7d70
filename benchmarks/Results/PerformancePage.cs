using System.Text.RegularExpressions;

namespace Portcullis.Benchmarks.Results;

/// <summary>The page of documentation whose figures come from a run: everything between two markers is written anew.</summary>
internal static partial class PerformancePage
{
    private const string ChartFolder = "performance";

    /// <summary>Writes a run's figures and charts into a page.</summary>
    /// <exception cref="BenchException">The page has no markers, or one that is not known.</exception>
    public static void Write(RunFile run, string page)
    {
        var text = File.ReadAllText(page);
        var charts = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(page))!, ChartFolder);
        Directory.CreateDirectory(charts);
        if (!Section().IsMatch(text))
        {
            throw new BenchException($"{page}: there is no <!-- bench:NAME --> ... <!-- /bench --> in it");
        }

        var written = Section().Replace(text, match => $"{match.Groups["open"].Value}\n{Content(run, match.Groups["name"].Value, charts, page)}\n{match.Groups["close"].Value}");
        File.WriteAllText(page, written);
    }

    private static string Content(RunFile run, string name, string charts, string page) => name.Split(' ') switch
    {
        ["about"] => Tables.About(run),
        ["targets"] => Tables.TargetTable(run),
        ["skipped"] => Tables.SkippedList(run).Replace("\n## Not measured\n", string.Empty, StringComparison.Ordinal).Trim(),
        ["chart", var chart] => DrawChart(run, chart, charts, page),
        ["table", var suite, .. var metrics] => Tables.ResultTable(run.Results.Where(result =>
            result.Suite == suite && (metrics.Length == 0 || metrics.Contains(result.Metric.Replace(' ', '-'))))),
        _ => throw new BenchException($"{page}: <!-- bench:{name} -->: no such section"),
    };

    private static string DrawChart(RunFile run, string name, string folder, string page)
    {
        var chart = Chart.All.FirstOrDefault(chart => chart.Name == name) ?? throw new BenchException($"{page}: <!-- bench:chart {name} -->: no such chart");
        if (!chart.Write(run.Results, folder))
        {
            return "This run has no figures for this chart.";
        }

        File.Delete(Path.Combine(folder, $"{name}.png"));
        return $"![{chart.Question}]({ChartFolder}/{name}.svg)";
    }

    [GeneratedRegex(@"(?<open><!-- bench:(?<name>[a-z '-]+) -->).*?(?<close><!-- /bench -->)", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Section();
}
