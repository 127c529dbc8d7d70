using Portcullis.Benchmarks.Results;

namespace Portcullis.Benchmarks.Running;

/// <summary>Collects the figures of a run and prints each as it comes.</summary>
internal sealed class Recorder(TextWriter output)
{
    private readonly List<Result> _results = [];
    private readonly List<Skip> _skipped = [];

    public IReadOnlyList<Result> Results => _results;

    public IReadOnlyList<Skip> Skipped => _skipped;

    /// <summary>Adds a figure.</summary>
    public void Add(Result result)
    {
        _results.Add(result);
        var spread = result.Samples > 1 ? $" ±{result.Spread:P0}" : string.Empty;
        var ratio = result.Ratio is { } value ? $"   {value:0.00} of {result.Reference}" : string.Empty;
        output.WriteLine($"  {result.Case,-38} {result.Datapath,-10} {result.Sizes(),-44} {result.Metric,-22} {result.Value,12:#,0.###} {result.Unit}{spread}{ratio}");
    }

    /// <summary>Adds the median of measurements.</summary>
    public void Add(Result result, IReadOnlyCollection<double> samples) => Add(Of(result, samples));

    /// <summary>Adds the medians of the same measurement over several datapaths, each with its ratio to one of them.</summary>
    public void Add(Func<string, Result> result, IReadOnlyDictionary<string, List<double>> samples, string reference)
    {
        foreach (var (datapath, values) in samples)
        {
            Add(Of(result(datapath), values) with
            {
                Ratio = samples.ContainsKey(reference) && datapath != reference ? RoundsRatio(values, samples[reference]) : null,
                Reference = datapath == reference ? null : reference,
            });
        }
    }

    /// <summary>Notes that something was not measured.</summary>
    public void Skip(string what, string reason)
    {
        _skipped.Add(new Skip(what, reason));
        output.WriteLine($"  skipped: {what}: {reason}");
    }

    private static Result Of(Result result, IReadOnlyCollection<double> samples) =>
        result with { Value = Statistics.Median(samples), Spread = Statistics.Spread(samples), Samples = samples.Count };

    // Measurements of one round stand beside each other: what the machine did in that round hits both.
    private static double RoundsRatio(List<double> values, List<double> reference) =>
        values.Count == reference.Count
            ? Statistics.Median(values.Zip(reference, (value, other) => value / other))
            : Statistics.Median(values) / Statistics.Median(reference);
}
