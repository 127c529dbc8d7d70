using System.Text.Json;
using System.Text.Json.Serialization;
using Portcullis.Net;

namespace Portcullis.Host.Demo;

/// <summary>What the demo does and what must come of it: <c>expected.json</c>, written by hand beside the manifests.</summary>
internal sealed record DemoScenario(DemoNode Node, IReadOnlyList<DemoPod> Pods, IReadOnlyList<DemoTarget> Targets, IReadOnlyList<DemoStep> Steps)
{
    private const string FileName = "expected.json";

    /// <summary>Reads the scenario of a folder.</summary>
    /// <exception cref="CommandException">It is not there.</exception>
    public static DemoScenario Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            throw new CommandException(ExitCode.Usage, $"{path}: not found: run the executable that ./build.sh lays out in artifacts/portcullis");
        }

        return JsonSerializer.Deserialize(File.ReadAllText(path), DemoJson.Default.DemoScenario)!;
    }
}

/// <summary>The node.</summary>
internal sealed record DemoNode(string Name, string Ipv4, string Ipv6)
{
    /// <summary>Its address of a family.</summary>
    public IpAddress Address(IpFamily family) => IpAddress.Parse(family == IpFamily.IPv4 ? Ipv4 : Ipv6);
}

/// <summary>A pod; its label <c>app</c> is its name.</summary>
internal sealed record DemoPod(string Namespace, string Name, string Ipv4, string Ipv6)
{
    /// <summary>Its full name.</summary>
    [JsonIgnore]
    public NamespacedName FullName => new(Namespace, Name);

    /// <summary>Its address of a family.</summary>
    public IpAddress Address(IpFamily family) => IpAddress.Parse(family == IpFamily.IPv4 ? Ipv4 : Ipv6);
}

/// <summary>What every pod tries to reach: a column of the matrix.</summary>
internal sealed record DemoTarget(string Pod, int Port);

/// <summary>A change of the policies and what must hold after it.</summary>
/// <param name="Title">What it is about.</param>
/// <param name="Apply">The manifest to put into place, or null.</param>
/// <param name="DeleteAll">Whether to delete every policy.</param>
/// <param name="Expected">For every pod one <c>+</c> or <c>-</c> for each target, with blanks between.</param>
internal sealed record DemoStep(string Title, string? Apply, bool DeleteAll, IReadOnlyDictionary<string, string> Expected)
{
    /// <summary>Whether a pod must reach the target of this number.</summary>
    public bool IsAllowed(DemoPod from, int target) => Expected[from.FullName.ToString()].Split(' ')[target] == "+";
}

/// <summary>How the scenario and the report look as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(DemoScenario))]
[JsonSerializable(typeof(DemoReport))]
internal sealed partial class DemoJson : JsonSerializerContext;
