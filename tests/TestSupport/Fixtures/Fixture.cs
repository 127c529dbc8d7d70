using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using Portcullis.Net;
using Portcullis.Policy.Manifests;
using Portcullis.Resources;
using Portcullis.Sources;

namespace Portcullis.TestSupport.Fixtures;

/// <summary>
/// What a fixture folder's expected.json says. <c>world.yaml</c> is the world of the first step, <c>step-N.yaml</c> what
/// step N (from 1) creates or updates.
/// </summary>
/// <remarks>
/// A project that runs them copies them beside its executable: it includes <c>../Conformance.Tests/fixtures/**</c> as
/// <c>Content</c> with <c>LinkBase="fixtures"</c>.
/// </remarks>
/// <param name="Proves">What the fixture proves, in a sentence.</param>
/// <param name="Actors">Who sends and receives, with their addresses; the order is that of rows and columns.</param>
/// <param name="Steps">The steps.</param>
public sealed record Fixture(string Proves, IReadOnlyDictionary<string, string[]> Actors, IReadOnlyList<FixtureStep> Steps)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private string _folder = string.Empty;

    /// <summary>The fixtures beside the test executable.</summary>
    public static string Root { get; } = Path.Combine(AppContext.BaseDirectory, "fixtures");

    /// <summary>Every fixture's name: its folder below <see cref="Root"/>.</summary>
    public static IEnumerable<string> Names =>
        Directory.EnumerateFiles(Root, "expected.json", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Root, Path.GetDirectoryName(file)!))
            .Order(StringComparer.Ordinal);

    /// <summary>Reads a fixture.</summary>
    public static Fixture Load(string name)
    {
        var folder = Path.Combine(Root, name);
        return JsonSerializer.Deserialize<Fixture>(File.ReadAllText(Path.Combine(folder, "expected.json")), Options)! with { _folder = folder };
    }

    /// <summary>What happens in a step: its deletions, then what it creates or updates.</summary>
    public ImmutableArray<ResourceChange> Changes(int step)
    {
        var file = Path.Combine(_folder, step == 0 ? "world.yaml" : $"step-{step}.yaml");
        var resources = File.Exists(file) ? ManifestReader.Read(File.ReadAllBytes(file), file).Resources : [];
        return [.. Steps[step].Delete.Select(name => ResourceChange.Delete(Key(name))), .. resources.Select(ResourceChange.Upsert)];
    }

    /// <summary>Every flow whose verdict after a step is known.</summary>
    public IEnumerable<FixtureFlow> Flows(int step)
    {
        var actors = Actors.ToArray();
        return from verdicts in Steps[step].Verdicts
               from flow in verdicts.Flows.Select(flow => flow.Split('/'))
               let family = Enum.Parse<IpFamily>(flow[2])
               from source in actors
               from destination in actors.Index()
               let verdict = verdicts.Matrix[source.Key][destination.Index]
               where verdict != '-'
               select new FixtureFlow(
                   source.Key,
                   destination.Item.Key,
                   AddressOf(source.Value, family),
                   AddressOf(destination.Item.Value, family),
                   Enum.Parse<IpProtocol>(flow[0], ignoreCase: true),
                   ushort.Parse(flow[1]),
                   verdict == '1');
    }

    /// <summary>As expected.json holds it.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Options) + "\n";

    private static IpAddress AddressOf(string[] addresses, IpFamily family) =>
        addresses.Select(IpAddress.Parse).Single(address => address.Family == family);

    private static ResourceKey Key(string name)
    {
        var (kind, rest) = (name[..name.IndexOf(' ', StringComparison.Ordinal)], name[(name.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        return new ResourceKey(
            kind == "Pod" ? ResourceKind.Workload : Enum.Parse<ResourceKind>(kind),
            slash < 0 ? string.Empty : rest[..slash],
            rest[(slash + 1)..]);
    }
}
