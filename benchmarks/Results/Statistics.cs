namespace Portcullis.Benchmarks.Results;

/// <summary>What is said of many measurements of one thing.</summary>
internal static class Statistics
{
    /// <summary>The value that a share of the measurements does not exceed.</summary>
    public static double Percentile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
    }

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Half the distance between the quartiles over the median.</summary>
    public static double Spread(IReadOnlyCollection<double> values)
    {
        var median = Median(values);
        return median == 0 ? 0 : (Percentile(values, 0.75) - Percentile(values, 0.25)) / 2 / median;
    }
}
