using System.Xml.Linq;

namespace Portcullis.Architecture.Tests;

/// <summary>The source tree this test was built from.</summary>
internal static class Repository
{
    /// <summary>Its root: the nearest folder above that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Every project, by path from the root.</summary>
    public static IReadOnlyList<string> Projects { get; } = [.. Files("*.csproj").Order(StringComparer.Ordinal)];

    /// <summary>Files below the folders that hold the product, its plugins and its tests, by path from the root.</summary>
    public static IEnumerable<string> Files(string pattern) =>
        new[] { "src", "plugins", "tests", "benchmarks" }
            .Select(folder => Path.Combine(Root, folder))
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, pattern, SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Root, path));

    /// <summary>The projects a project refers to, by path from the root, those of the folder's own props included.</summary>
    public static IReadOnlyList<string> References(string project)
    {
        var folder = Path.GetDirectoryName(Path.Combine(Root, project))!;
        return
        [
            .. XDocument.Load(Path.Combine(Root, project))
                .Descendants("ProjectReference")
                .Select(reference => reference.Attribute("Include")!.Value.Replace('\\', '/'))
                .Select(include => Path.GetRelativePath(Root, Path.GetFullPath(Path.Combine(folder, include)))),
        ];
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "portcullis.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"portcullis.slnx is in no folder above {AppContext.BaseDirectory}: run the tests from a clone");
    }
}
