using System.Globalization;
using ScottPlot;

namespace Portcullis.Benchmarks.Results;

/// <summary>One question, answered by one chart of cost against a size; both axes logarithmic.</summary>
/// <param name="Name">The file's name.</param>
/// <param name="Question">The title.</param>
/// <param name="Across">The label of the horizontal axis.</param>
/// <param name="Up">The label of the vertical axis.</param>
/// <param name="Horizontal">The parameter that varies.</param>
/// <param name="Picks">Which results are points, and the line a result belongs to; null: none.</param>
internal sealed record Chart(string Name, string Question, string Across, string Up, string Horizontal, Func<Result, string?> Picks)
{
    private const int Width = 720;
    private const int Height = 420;

    /// <summary>Every chart.</summary>
    public static IReadOnlyList<Chart> All { get; } =
    [
        new("program", "What does judging one packet cost in the program?", "rules on the node", "ns for a packet", "rules",
            result => result is { Suite: "program", Metric: "time" } && result.Size("addresses") == 100_000
                ? $"{result.Parameters["family"]} {result.Case}"
                : null),
        new("program-addresses", "Does the program's cost depend on addresses?", "pods of other nodes", "ns for a packet", "addresses",
            result => result is { Suite: "program", Metric: "time", Case: not "empty program" } && result.Size("rules") == 10_000
                ? $"{result.Parameters["family"]} {result.Case}"
                : null),
        Packet("packet-allowed", "What does a packet cost that opens a flow and passes?", "allowed packet"),
        Packet("packet-reply", "What does an answer cost?", "reply packet"),
        Packet("packet-denied", "What does a denied packet cost?", "denied packet"),
        Update("update-pod", "How long until one new pod is enforced?", "one pod added"),
        Update("update-label", "How long until one changed label is enforced?", "one label flipped"),
        Update("update-policy", "How long until one changed policy is enforced?", "one policy changed"),
        Update("update-everything", "How long until 10,000 other addresses are enforced?", "all addresses replaced"),
        new("compile", "How long does compiling a whole cluster take?", "pods", "ms", "pods",
            result => result is { Suite: "compile", Metric: "time", Case: "everything" } ? "everything" : null),
        new("attach", "How long until pods that come at once are attached?", "pods of the node", "ms", "pods",
            result => result is { Suite: "attach", Metric: "time" } ? result.Datapath : null),
        new("memory", "How does the agent's memory develop under 100 changes a second?", "seconds", "MB resident", "second",
            result => result is { Suite: "churn", Metric: "resident" } ? result.Datapath : null),
    ];

    /// <summary>Writes the chart as SVG and PNG.</summary>
    /// <returns>Whether there was anything to draw.</returns>
    public bool Write(IReadOnlyList<Result> results, string folder)
    {
        var lines = results
            .Select(result => (Line: Picks(result), X: result.Size(Horizontal), Y: result.Value))
            .Where(point => point is { Line: not null, X: not null, Y: > 0 })
            .GroupBy(point => point.Line!)
            .ToList();
        if (lines.Count == 0)
        {
            return false;
        }

        using var plot = new Plot();
        var isOverTime = Horizontal == "second";
        foreach (var line in lines)
        {
            var points = line.OrderBy(point => point.X).ToArray();
            var scatter = plot.Add.Scatter(
                [.. points.Select(point => isOverTime ? point.X!.Value : Math.Log10(point.X!.Value))],
                points.Select(point => isOverTime ? point.Y : Math.Log10(point.Y)).ToArray());
            scatter.LegendText = line.Key;
            scatter.LineWidth = 2;
            scatter.MarkerSize = 7;
        }

        if (!isOverTime)
        {
            plot.Axes.Bottom.TickGenerator = Decades();
            plot.Axes.Left.TickGenerator = Decades();
        }

        plot.Axes.AutoScale();
        Widen(plot, isOverTime);
        plot.Title(Question);
        plot.XLabel(Across);
        plot.YLabel(Up);
        plot.ShowLegend(Edge.Right);
        plot.SaveSvg(Path.Combine(folder, $"{Name}.svg"), Width, Height);
        plot.SavePng(Path.Combine(folder, $"{Name}.png"), Width, Height);
        return true;
    }

    private static Chart Packet(string name, string question, string packet) => new(
        name, question, "rules on the node", "ns from socket to socket", "rules",
        result => result.Suite == "packet" && result.Case == packet && result.Parameters["family"] == "IPv4" && result.Size("addresses") == 10_000 ? result.Datapath : null);

    private static Chart Update(string name, string question, string change) => new(
        name, question, "rules on the node", "us", "rules",
        result => result is { Suite: "update", Metric: "time" } && result.Case == change && result.Size("addresses") == 10_000 ? result.Datapath : null);

    // At least one decade, so that noise does not look like a slope; over time from zero.
    private static void Widen(Plot plot, bool isOverTime)
    {
        var limits = plot.Axes.GetLimits();
        if (isOverTime)
        {
            plot.Axes.SetLimitsY(0, limits.Top * 1.2);
            return;
        }

        plot.Axes.SetLimitsY(Math.Floor(limits.Bottom), Math.Ceiling(limits.Top));
    }

    private static ScottPlot.TickGenerators.NumericAutomatic Decades() => new()
    {
        MinorTickGenerator = new ScottPlot.TickGenerators.LogMinorTickGenerator(),
        IntegerTicksOnly = true,
        LabelFormatter = exponent => Math.Pow(10, exponent).ToString("#,0.##", CultureInfo.InvariantCulture),
    };
}
