namespace Portcullis.Sources.Files;

/// <summary>
/// Which folders must be watched, and for which names, so that no change of what the paths lead to goes unnoticed: every
/// folder on the way to them, through symbolic links, and the folders themselves.
/// </summary>
internal sealed class WatchPlan
{
    private const int MaxLinks = 40;

    private readonly Dictionary<string, HashSet<string>> _names = new(StringComparer.Ordinal);

    /// <summary>Folders on the way, with the names in them that matter.</summary>
    public IReadOnlyDictionary<string, HashSet<string>> Names => _names;

    /// <summary>Folders whose manifests matter all.</summary>
    public HashSet<string> Folders { get; } = new(StringComparer.Ordinal);

    /// <summary>Follows a path to its real path and notes every folder it passes; null when it leads nowhere.</summary>
    public string? Resolve(string path)
    {
        var rest = new Stack<string>();
        Push(rest, Path.GetFullPath(path));
        var current = "/";
        for (var links = 0; rest.TryPop(out var name);)
        {
            if (name == "..")
            {
                current = Path.GetDirectoryName(current) ?? "/";
                continue;
            }

            Note(current, name);
            var next = Path.Combine(current, name);
            if (new FileInfo(next).LinkTarget is { } target)
            {
                if (++links > MaxLinks)
                {
                    return null;
                }

                Push(rest, target);
                current = target.StartsWith('/') ? "/" : current;
            }
            else if (Path.Exists(next))
            {
                current = next;
            }
            else
            {
                return null;
            }
        }

        return current;
    }

    private void Note(string folder, string name)
    {
        if (!_names.TryGetValue(folder, out var names))
        {
            _names.Add(folder, names = new HashSet<string>(StringComparer.Ordinal));
        }

        names.Add(name);
    }

    private static void Push(Stack<string> rest, string path)
    {
        foreach (var name in path.Split('/').Reverse().Where(name => name is not ("" or ".")))
        {
            rest.Push(name);
        }
    }
}
