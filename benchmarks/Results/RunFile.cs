using System.Text.Json;

namespace Portcullis.Benchmarks.Results;

/// <summary>Something that was not measured.</summary>
/// <param name="What">What.</param>
/// <param name="Reason">What the machine lacks, or why the profile leaves it out.</param>
internal sealed record Skip(string What, string Reason);

/// <summary>How steady the machine was: a fixed piece of work, timed before and after every suite.</summary>
/// <param name="Drift">The slowest of those times over the fastest, minus one.</param>
/// <param name="Others">The share of the processors that other processes had.</param>
/// <param name="IsNoisy">Whether figures of this run should not be compared.</param>
/// <param name="Microseconds">The fastest of those times: how fast the machine was, to be compared with that of another run.</param>
/// <param name="Verdict">The same in words.</param>
internal sealed record Noise(double Drift, double Others, bool IsNoisy, double Microseconds, string Verdict);

/// <summary>Everything one run found out: the content of <c>results.json</c>.</summary>
internal sealed record RunFile
{
    public const int CurrentSchema = 2;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public int Schema { get; init; } = CurrentSchema;

    public required string Profile { get; init; }

    public required DateTimeOffset Started { get; init; }

    public required double Seconds { get; init; }

    public required Machine Machine { get; init; }

    public required Noise Noise { get; init; }

    public required IReadOnlyList<Result> Results { get; init; }

    public required IReadOnlyList<Skip> Skipped { get; init; }

    public IReadOnlyList<TargetVerdict> Targets { get; init; } = [];

    /// <exception cref="BenchException">There is no such file, or it is not one of this program's.</exception>
    public static RunFile Load(string path)
    {
        try
        {
            var run = JsonSerializer.Deserialize<RunFile>(File.ReadAllText(path), Json);
            return run is { Schema: CurrentSchema }
                ? run
                : throw new BenchException($"{path}: its schema is {run?.Schema}, this program reads {CurrentSchema}: measure again");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new BenchException($"{path}: not the results of a run: {exception.Message}", exception);
        }
    }

    public void Save(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, Json));
}
