namespace Portcullis.Benchmarks.Results;

/// <summary>One figure of a run. Suite, case, datapath, parameters and metric together identify it in every run.</summary>
/// <param name="Suite">The suite that measured it.</param>
/// <param name="Case">What was done.</param>
/// <param name="Datapath">What judged packets; empty when nothing did.</param>
/// <param name="Parameters">The sizes it was done with, by name.</param>
/// <param name="Metric">What was measured.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Value">The median, or the percentile that the metric names.</param>
internal sealed record Result(
    string Suite,
    string Case,
    string Datapath,
    SortedDictionary<string, string> Parameters,
    string Metric,
    string Unit,
    double Value)
{
    /// <summary>Half the distance between the quartiles over the median; 0 when it was measured once.</summary>
    public double Spread { get; init; }

    /// <summary>How many measurements are behind it.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>The value over that of the reference of the same run.</summary>
    public double? Ratio { get; init; }

    /// <summary>What <see cref="Ratio"/> compares with.</summary>
    public string? Reference { get; init; }

    /// <summary>Whether more is better.</summary>
    public bool IsHigherBetter { get; init; }

    /// <summary>What identifies it.</summary>
    public string Key() => string.Join(" / ", new[] { Suite, Case, Datapath, Sizes(), Metric }.Where(part => part.Length > 0));

    /// <summary>The parameters on one line.</summary>
    public string Sizes() => string.Join(", ", Parameters.Select(parameter => $"{parameter.Key} {parameter.Value}"));

    /// <summary>A numeric parameter; null when there is none of that name.</summary>
    public double? Size(string name) =>
        Parameters.TryGetValue(name, out var text) && double.TryParse(text, out var value) ? value : null;
}
