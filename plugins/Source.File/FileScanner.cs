using System.Collections.Immutable;
using Portcullis.Policy.Manifests;
using Portcullis.Resources;

namespace Portcullis.Sources.Files;

/// <summary>Looks at the paths, reads what changed and keeps what was read.</summary>
internal sealed class FileScanner(ImmutableArray<string> paths)
{
    private readonly FileTable _table = new();
    private readonly List<Finding> _problems = [];
    private int _accepted;

    /// <summary>Whether some folder could not be watched when it was looked at last.</summary>
    public bool HasBlindSpots { get; private set; }

    /// <summary>Reads files whose stamp differs or that are known to be saved, and returns what that changes.</summary>
    /// <param name="saved">Real paths that are read whatever their stamp.</param>
    /// <param name="watcher">Follows the paths before they are read, so that no change falls between; null: nothing is watched.</param>
    public SourceBatch Scan(IReadOnlySet<string> saved, FolderWatcher? watcher)
    {
        _problems.Clear();
        _accepted = 0;
        var files = new List<LoadedFile>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var listed in List(watcher))
        {
            if (seen.Add(listed.Path) && Load(listed, saved, watcher) is { } file)
            {
                files.Add(file);
            }
        }

        _accepted += _table.CountMissing(seen);
        var changes = _table.Replace(files);
        _problems.AddRange(files.SelectMany(file => file.Findings).Where(finding => finding.Severity != FindingSeverity.Note));
        _problems.AddRange(_table.Conflicts());
        return new SourceBatch { Changes = changes, Accepted = changes.IsEmpty ? _accepted : Math.Max(1, _accepted), Problems = [.. _problems] };
    }

    /// <summary>The files there are, in order, with every folder on the way to them watched first.</summary>
    private List<ListedFile> List(FolderWatcher? watcher)
    {
        // A folder may appear while its parent is only about to be watched: look again until nothing is new.
        for (var attempt = 0; ; attempt++)
        {
            var plan = new WatchPlan();
            var problems = new List<Finding>();
            var failures = new Dictionary<string, string>(StringComparer.Ordinal);
            var files = paths.SelectMany(path => List(path, plan, problems)).ToList();
            if (watcher is null || !watcher.Follow(plan, failures) || attempt == 10)
            {
                HasBlindSpots = watcher is null || failures.Count > 0;
                _problems.AddRange(problems);
                _problems.AddRange(failures.Select(failure => Problem(
                    FindingSeverity.Warning, failure.Key, $"cannot be watched, so changes are noticed late: {failure.Value}")));
                return files;
            }
        }
    }

    private List<ListedFile> List(string path, WatchPlan plan, List<Finding> problems)
    {
        if (plan.Resolve(path) is not { } real || FileStamp.Of(real, out var error) is not { } stamp)
        {
            // A folder that is gone (moved, not mounted) says nothing about the policies that were in it; opening everything would.
            var kept = Kept(path);
            problems.Add(Problem(
                FindingSeverity.Error,
                path,
                $"does not exist or cannot be reached; {(kept.Count == 0 ? string.Empty : "what was read from it stays, and ")}it is read as soon as it can"));
            return kept;
        }

        if (!stamp.IsFolder)
        {
            return [new ListedFile(path, real, stamp)];
        }

        plan.Folders.Add(real);
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(real)
                .Where(ManifestPaths.IsManifest)
                .Order(StringComparer.Ordinal)
                .Select(entry => ListEntry(path, entry, plan))
                .Where(file => file.Stamp is not { IsFolder: true })];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            problems.Add(Problem(FindingSeverity.Error, path, $"cannot be listed; what was read from it stays: {exception.Message}"));
            return Kept(path);
        }
    }

    /// <summary>The files read from a folder before, to be taken as they were.</summary>
    private List<ListedFile> Kept(string folder) => [.. _table.FilesBelow(folder).Select(file => new ListedFile(file, file, null, Stays: true))];

    private static ListedFile ListEntry(string folder, string entry, WatchPlan plan)
    {
        var path = Path.Combine(folder, Path.GetFileName(entry));
        var real = new FileInfo(entry).LinkTarget is null ? entry : plan.Resolve(entry);
        return new ListedFile(path, real ?? entry, FileStamp.Of(real ?? entry, out _));
    }

    /// <summary>The file as it is now; null when there is nothing of it yet.</summary>
    private LoadedFile? Load(ListedFile listed, IReadOnlySet<string> saved, FolderWatcher? watcher)
    {
        var known = _table.Find(listed.Path);
        if (listed.Stays || watcher?.IsBeingWritten(listed.RealPath) == true)
        {
            return known;
        }

        if (known?.Stamp is { } before && before == listed.Stamp && !saved.Contains(listed.RealPath))
        {
            return known;
        }

        if (listed.Stamp is not { IsRegular: true })
        {
            return Unreadable(listed.Path, known, listed.Stamp is null ? "cannot be opened: it leads nowhere or access is denied" : "is no regular file");
        }

        var read = ManifestSet.ReadFile(listed.RealPath, listed.Path);
        if (watcher is not null && FileStamp.Of(listed.RealPath, out _) != listed.Stamp)
        {
            watcher.ReportTornRead(listed.RealPath);
            return known;
        }

        return Accept(listed, known, read);
    }

    /// <summary>Takes what was read; while a part of the file cannot be read, nothing it held before is removed.</summary>
    private LoadedFile Accept(ListedFile listed, LoadedFile? known, ManifestFile read)
    {
        var resources = read.Resources.ToDictionary(resource => resource.Key);
        if (read.Complete)
        {
            _accepted++;
        }
        else if (known is not null)
        {
            foreach (var (key, resource) in known.Resources)
            {
                resources.TryAdd(key, resource);
            }
        }

        return new LoadedFile(listed.Path, listed.Stamp, resources, read.Findings);
    }

    private static LoadedFile Unreadable(string path, LoadedFile? known, string message) => new(
        path,
        null,
        known?.Resources ?? ImmutableDictionary<ResourceKey, Resource>.Empty,
        [Problem(FindingSeverity.Error, path, message)]);

    private static Finding Problem(FindingSeverity severity, string path, string message) =>
        new(severity, new SourcePosition(path, 0), string.Empty, message);

    private sealed record ListedFile(string Path, string RealPath, FileStamp? Stamp, bool Stays = false);
}
