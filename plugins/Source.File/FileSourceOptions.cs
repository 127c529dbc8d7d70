using System.Collections.Immutable;
using Microsoft.Extensions.Configuration;

namespace Portcullis.Sources.Files;

/// <summary>What the section <c>source.file</c> says.</summary>
/// <param name="Paths">Files and folders in the order that decides which one of two equal objects counts.</param>
public sealed record FileSourceOptions(ImmutableArray<string> Paths)
{
    private const string DefaultPath = "/etc/portcullis/manifests";
    private const string PathsKey = "paths";

    /// <summary>How often everything is looked at again, for file systems that tell of no changes.</summary>
    internal TimeSpan RescanInterval { get; init; } = TimeSpan.FromSeconds(30);

    internal static FileSourceOptions Read(IConfigurationSection section, ICollection<string> errors)
    {
        foreach (var child in section.GetChildren())
        {
            if (!string.Equals(child.Key, PathsKey, StringComparison.OrdinalIgnoreCase))
            {
                errors.Add($"{Dotted(child.Path)}: unknown key; {Dotted(section.Path)} has only {PathsKey}");
            }
        }

        var written = section.GetSection(PathsKey);
        var children = written.GetChildren().ToList();

        // A single value, as --set gives it, replaces a list from a file.
        if (written.Value is { Length: > 0 } single)
        {
            return new FileSourceOptions([single]);
        }

        if (children.Count == 0 && written.Value is null)
        {
            return new FileSourceOptions([DefaultPath]);
        }

        var paths = children.Select(child => child.Value ?? string.Empty).ToImmutableArray();
        if (paths.IsEmpty || paths.Any(string.IsNullOrWhiteSpace))
        {
            errors.Add($"{Dotted(written.Path)}: must be a list of files and folders, without empty entries");
        }

        return new FileSourceOptions(paths);
    }

    private static string Dotted(string path) => path.Replace(':', '.');
}
