using System.Collections.Immutable;
using Portcullis.Policy.Native;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>The objects of several files and folders, read once: what <c>check</c>, <c>matrix</c> and <c>explain</c> look at.</summary>
/// <param name="Resources">The objects in order; of an object that is given twice the first.</param>
/// <param name="Findings">What the files themselves and <see cref="PolicyLint"/> have to say, in order of the files.</param>
/// <param name="HasDuplicates">Whether an object is given twice, which is a finding too.</param>
public sealed record ManifestSet(ImmutableArray<Resource> Resources, ImmutableArray<Finding> Findings, bool HasDuplicates)
{
    /// <summary>Reads the files the paths stand for. A file that cannot be read is a finding.</summary>
    /// <param name="paths">Files and folders, as for <see cref="ManifestPaths"/>.</param>
    public static ManifestSet Load(IEnumerable<string> paths)
    {
        var findings = new List<Finding>();
        var resources = new List<Resource>();
        var trees = new PolicyTrees();
        var hasDuplicates = false;
        foreach (var file in ManifestPaths.Expand(paths, findings))
        {
            var read = ReadFile(file, file, trees);
            resources.AddRange(read.Resources);
            findings.AddRange(read.Findings);
            hasDuplicates |= read.HasDuplicates;
        }

        findings.AddRange(PolicyLint.Check(resources, trees.Find));
        ImmutableArray<Resource> distinct = [.. resources.DistinctBy(resource => resource.Key)];
        return new ManifestSet(distinct, [.. findings], hasDuplicates || distinct.Length < resources.Count);
    }

    /// <summary>Reads one file; when it cannot be opened, that is its only finding.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="file">The path as it shall stand in positions.</param>
    public static ManifestFile ReadFile(string path, string file) => ReadFile(path, file, null);

    private static ManifestFile ReadFile(string path, string file, PolicyTrees? trees)
    {
        // Opening a pipe waits for a writer, and a device may never end.
        if (LibC.IsSpecialFile(path))
        {
            return Unreadable(file, "is no regular file; name a file or a folder");
        }

        try
        {
            // One byte more than allowed is enough to say that it is too much.
            using var stream = File.OpenRead(path);
            var length = (int)Math.Min(stream.Length, ManifestReader.MaxFileBytes + 1);
            var content = new byte[length];
            var read = stream.ReadAtLeast(content, length, throwOnEndOfStream: false);
            return ManifestReader.Read(content.AsSpan(0, read), file, trees);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return Unreadable(file, Text.OneLine(exception.Message));
        }
    }

    private static ManifestFile Unreadable(string file, string message) =>
        new([], [new Finding(FindingSeverity.Error, new SourcePosition(file, 0), string.Empty, message)], Complete: false);
}
