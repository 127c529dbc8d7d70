using System.Collections.Immutable;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Which files paths of users stand for.</summary>
public static class ManifestPaths
{
    /// <summary>Whether a folder's file of this name is a manifest: <c>.yaml</c>, <c>.yml</c> or <c>.json</c>.</summary>
    public static bool IsManifest(string fileName)
    {
        ArgumentNullException.ThrowIfNull(fileName);
        fileName = Path.GetFileName(fileName);

        // The lock of an Emacs that edits a manifest is a link of this name that leads nowhere.
        return !fileName.StartsWith(".#", StringComparison.Ordinal) && HasManifestEnding(fileName);
    }

    /// <summary>The files the paths stand for, in order: a folder is its manifests by name, not its subfolders; no file twice.</summary>
    /// <param name="paths">Files and folders as the user gave them; the results begin with them.</param>
    /// <param name="findings">Receives what cannot be listed.</param>
    public static ImmutableArray<string> Expand(IEnumerable<string> paths, ICollection<Finding> findings)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(findings);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var files = ImmutableArray.CreateBuilder<string>();
        foreach (var path in paths)
        {
            foreach (var file in Expand(path, findings))
            {
                if (seen.Add(Path.GetFullPath(file)))
                {
                    files.Add(file);
                }
            }
        }

        return files.DrainToImmutable();
    }

    private static IEnumerable<string> Expand(string path, ICollection<Finding> findings)
    {
        try
        {
            if (!Directory.Exists(path))
            {
                return [path];
            }

            return [.. Directory.EnumerateFileSystemEntries(path)
                .Where(entry => IsManifest(entry) && !Directory.Exists(entry))
                .Order(StringComparer.Ordinal)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            findings.Add(new Finding(FindingSeverity.Error, new SourcePosition(path, 0), string.Empty, Text.OneLine(exception.Message)));
            return [];
        }
    }

    private static bool HasManifestEnding(string fileName) =>
        fileName.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase)
        || fileName.EndsWith(".yml", StringComparison.OrdinalIgnoreCase)
        || fileName.EndsWith(".json", StringComparison.OrdinalIgnoreCase);
}
