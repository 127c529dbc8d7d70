using System.Collections;
using System.CommandLine;
using Portcullis.Host.Api;
using Portcullis.Policy;
using Portcullis.Policy.Manifests;
using Portcullis.Policy.Store;

namespace Portcullis.Host.Commands;

/// <summary>The world of the manifests that a command names.</summary>
internal static class ManifestWorld
{
    /// <summary>Reads manifests; everything named must exist.</summary>
    /// <exception cref="CommandException">A path does not exist.</exception>
    public static ManifestSet Load(IReadOnlyList<string> paths)
    {
        var missing = paths.Where(path => !Path.Exists(path)).Select(path => $"{path}: no such file or folder").ToList();
        return missing.Count == 0 ? ManifestSet.Load(paths) : throw new CommandException(ExitCode.Usage, missing);
    }

    /// <summary>Reads manifests to judge by; what the agent would report goes to stderr.</summary>
    /// <exception cref="CommandException">A path does not exist, or an object is given twice.</exception>
    public static async Task<(World World, PolicyOptions Options)> ReadAsync(ParseResult parsed, IDictionary environment, IReadOnlyList<string> paths)
    {
        var options = CommandLine.GetOptions(parsed, environment, useDefaultFile: false);
        var manifests = Load(paths);
        foreach (var finding in manifests.Findings.Where(finding => finding.Severity == FindingSeverity.Error))
        {
            await parsed.InvocationConfiguration.Error.WriteLineAsync(FindingText.Of(FindingDto.From(finding)));
        }

        if (manifests.HasDuplicates)
        {
            throw new CommandException(ExitCode.Usage, ["an object is given twice: which one counts is not for this command to guess"]);
        }

        return (new World(manifests.Resources), new PolicyOptions
        {
            NodeName = options.Node.Name,
            NodeAddresses = options.Node.Addresses.ToEquatableArray(),
            Mode = options.Enforcement.Mode,
        });
    }
}
