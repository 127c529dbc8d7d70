using System.Globalization;

namespace Portcullis.Benchmarks.Results;

/// <summary>Two runs, figure by figure.</summary>
internal static class Comparison
{
    private const double Tolerance = 0.10;

    // What happened once in a hundred times, or once, happens otherwise the next time.
    private const double ExtremeTolerance = 0.50;

    /// <summary>Prints what became worse and what became better by more than a tenth (half for p99 and maximum) and more than its own spread.</summary>
    /// <returns>Whether nothing became worse.</returns>
    public static bool Print(RunFile before, RunFile after, TextWriter output)
    {
        foreach (var (name, run) in new[] { ("first", before), ("second", after) })
        {
            if (run.Noise.IsNoisy)
            {
                output.WriteLine($"note: the machine of the {name} run was {run.Noise.Verdict}");
            }
        }

        var pace = (after.Noise.Microseconds / before.Noise.Microseconds) - 1;
        if (before.Machine.Processor != after.Machine.Processor || Math.Abs(pace) > Tolerance)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"note: the machine itself was not the same: a fixed piece of work took {pace:+0%;-0%} in the second run ({before.Machine.Processor}, {after.Machine.Processor}): what changed below may be that"));
        }

        if (before.Profile != after.Profile)
        {
            output.WriteLine($"note: profile {before.Profile} against {after.Profile}: only figures of both are compared");
        }

        var known = before.Results.DistinctBy(result => result.Key()).ToDictionary(result => result.Key());
        var pairs = after.Results.Where(result => known.ContainsKey(result.Key())).Select(result => (Before: known[result.Key()], After: result)).ToList();
        if (pairs.Count == 0)
        {
            throw new BenchException("the two runs have no figure in common: compare runs of the same suites");
        }

        var worse = pairs.Where(pair => Change(pair) > Limit(pair)).OrderByDescending(Change).ToList();
        var better = pairs.Where(pair => Change(pair) < -Limit(pair)).OrderBy(Change).ToList();
        Print("slower, larger or fewer", worse, output);
        Print("better", better, output);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{pairs.Count} figures compared: {worse.Count} worse, {better.Count} better, {pairs.Count - worse.Count - better.Count} the same within {Tolerance:P0} ({ExtremeTolerance:P0} for p99 and maximum) or their spread"));
        return worse.Count == 0;
    }

    /// <summary>By how much it became worse, as a share; of what is a share itself, by how many hundredths.</summary>
    private static double Change((Result Before, Result After) pair)
    {
        var (before, after) = pair.After.IsHigherBetter ? (pair.After.Value, pair.Before.Value) : (pair.Before.Value, pair.After.Value);
        return before == after ? 0 : pair.After.Unit == "%" ? (after - before) / 100 : before <= 0 ? double.PositiveInfinity : (after / before) - 1;
    }

    private static double Limit((Result Before, Result After) pair) =>
        Math.Max(IsExtreme(pair.After) ? ExtremeTolerance : Tolerance, 2 * Math.Max(pair.Before.Spread, pair.After.Spread));

    private static bool IsExtreme(Result result) => result.Metric.EndsWith("p99", StringComparison.Ordinal) || result.Metric.EndsWith("max", StringComparison.Ordinal);

    private static void Print(string what, List<(Result Before, Result After)> pairs, TextWriter output)
    {
        if (pairs.Count > 0)
        {
            output.WriteLine($"{what}:");
        }

        foreach (var pair in pairs)
        {
            output.WriteLine($"  {Change(pair),8:+0%;-0%}  {pair.After.Key()}: {Tables.Number(pair.Before.Value)} -> {Tables.Number(pair.After.Value)} {pair.After.Unit}");
        }
    }
}
