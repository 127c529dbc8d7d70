using System.Collections.Immutable;
using Portcullis.Resources;

namespace Portcullis.Sources.Files;

/// <summary>One file as it was last read.</summary>
/// <param name="Path">The path as the user gave it.</param>
/// <param name="Stamp">What it looked like then; null when it could not be opened.</param>
/// <param name="Resources">Its objects: while a part cannot be read, also those it held before.</param>
/// <param name="Findings">What is wrong with it.</param>
internal sealed record LoadedFile(
    string Path, FileStamp? Stamp, IReadOnlyDictionary<ResourceKey, Resource> Resources, ImmutableArray<Finding> Findings);

/// <summary>The objects of all files: of an object in several of them, the one in the first file counts.</summary>
internal sealed class FileTable
{
    private Dictionary<string, LoadedFile> _files = new(StringComparer.Ordinal);
    private List<LoadedFile> _order = [];
    private readonly Dictionary<ResourceKey, Resource> _published = [];

    public LoadedFile? Find(string path) => _files.GetValueOrDefault(path);

    /// <summary>How many known files are not among these.</summary>
    public int CountMissing(HashSet<string> paths) => _order.Count(file => !paths.Contains(file.Path));

    /// <summary>The known files of a folder.</summary>
    public IEnumerable<string> FilesBelow(string folder) =>
        _order.Select(file => file.Path).Where(path => Path.GetDirectoryName(path) == folder.TrimEnd('/'));

    /// <summary>Takes the files as they are now, in order, and returns what that changes.</summary>
    public ImmutableArray<ResourceChange> Replace(List<LoadedFile> files)
    {
        var affected = new HashSet<ResourceKey>();
        var now = files.ToDictionary(file => file.Path, StringComparer.Ordinal);
        foreach (var file in _order.Where(file => !ReferenceEquals(now.GetValueOrDefault(file.Path), file)))
        {
            affected.UnionWith(file.Resources.Keys);
        }

        foreach (var file in files.Where(file => !ReferenceEquals(_files.GetValueOrDefault(file.Path), file)))
        {
            affected.UnionWith(file.Resources.Keys);
        }

        (_files, _order) = (now, files);
        return Publish(affected);
    }

    /// <summary>An error for every object that is in more than one file.</summary>
    public IEnumerable<Finding> Conflicts()
    {
        if (_order.Sum(file => file.Resources.Count) == _published.Count)
        {
            yield break;
        }

        foreach (var resource in _order.SelectMany(file => file.Resources.Values))
        {
            if (_published.TryGetValue(resource.Key, out var winner) && !ReferenceEquals(winner, resource) && winner.Position.File != resource.Position.File)
            {
                yield return new Finding(
                    FindingSeverity.Error, resource.Position, resource.Key.ToString(), $"given twice; the one at {winner.Position} counts, remove the other");
            }
        }
    }

    private ImmutableArray<ResourceChange> Publish(HashSet<ResourceKey> affected)
    {
        var winners = Winners(affected);
        var changes = ImmutableArray.CreateBuilder<ResourceChange>();
        foreach (var key in affected)
        {
            var before = _published.GetValueOrDefault(key);
            if (winners.TryGetValue(key, out var winner))
            {
                // Also when it is equal: conflicts are told by reference.
                _published[key] = winner;
                if (!winner.Equals(before))
                {
                    changes.Add(ResourceChange.Upsert(winner));
                }
            }
            else if (_published.Remove(key))
            {
                changes.Add(ResourceChange.Delete(key));
            }
        }

        return changes.DrainToImmutable();
    }

    /// <summary>The objects that count, from the first file of each; costs the smaller of file and set for every file.</summary>
    private Dictionary<ResourceKey, Resource> Winners(HashSet<ResourceKey> keys)
    {
        var winners = new Dictionary<ResourceKey, Resource>();
        foreach (var file in _order)
        {
            var shared = file.Resources.Count < keys.Count ? file.Resources.Keys.Where(keys.Contains) : keys.Where(file.Resources.ContainsKey);
            foreach (var key in shared)
            {
                winners.TryAdd(key, file.Resources[key]);
            }
        }

        return winners;
    }
}
