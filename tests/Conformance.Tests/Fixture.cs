using System.Text.Encodings.Web;
using System.Text.Json;

namespace Portcullis.Conformance;

/// <summary>
/// What a fixture folder's expected.json says. <c>world.yaml</c> is the world of the first step, <c>step-N.yaml</c> what
/// step N (from 1) creates or updates.
/// </summary>
/// <param name="Proves">What the fixture proves, in a sentence.</param>
/// <param name="Actors">Who sends and receives, with their addresses; the order is that of rows and columns.</param>
/// <param name="Steps">The steps.</param>
internal sealed record Fixture(string Proves, IReadOnlyDictionary<string, string[]> Actors, IReadOnlyList<FixtureStep> Steps)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The fixtures beside the test executable.</summary>
    public static string Root { get; } = Path.Combine(AppContext.BaseDirectory, "fixtures");

    public static Fixture Load(string folder) =>
        JsonSerializer.Deserialize<Fixture>(File.ReadAllText(Path.Combine(folder, "expected.json")), Options)!;

    public string ToJson() => JsonSerializer.Serialize(this, Options) + "\n";
}

/// <summary>The verdicts after a step.</summary>
/// <param name="Delete">What the step deletes, as <c>Kind namespace/name</c>.</param>
/// <param name="Verdicts">Flows with equal verdicts stand together.</param>
internal sealed record FixtureStep(IReadOnlyList<string> Delete, IReadOnlyList<FixtureVerdicts> Verdicts);

/// <summary>A matrix of verdicts: a row for each sender, a character for each receiver: 1 allowed, 0 denied, - not asked.</summary>
/// <param name="Flows">The flows it holds for, as <c>TCP/80/IPv4</c>.</param>
/// <param name="Matrix">The rows by sender.</param>
internal sealed record FixtureVerdicts(IReadOnlyList<string> Flows, IReadOnlyDictionary<string, string> Matrix);
