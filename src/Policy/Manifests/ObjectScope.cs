using System.Globalization;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>One object of a file while it is read: its tree, what it is called and what is wrong with it.</summary>
internal sealed class ObjectScope(string? file, ManifestNode root, string kind, FindingLog findings)
{
    private int _findings;

    public ManifestNode Root { get; } = root;

    public string Kind { get; } = kind;

    /// <summary>What findings call the object; set as soon as its name is known.</summary>
    public string Name { get; set; } = kind;

    /// <summary>How many errors there are, listed or not: an object with errors is rejected.</summary>
    public int Errors { get; private set; }

    /// <summary>The first error after each count, for the defect of a policy or a rule.</summary>
    public string? LastFirstError { get; private set; }

    /// <summary>Whether an API server accepted the object: metadata it has beyond what is known here belongs to a newer version of it.</summary>
    public bool IsFromServer => file is null;

    public SourcePosition PositionOf(ManifestNode node) => PositionAt(node.Line, node.Column);

    /// <summary>Starts collecting for <see cref="DefectSince"/>.</summary>
    public int Mark()
    {
        LastFirstError = null;
        return Errors;
    }

    /// <summary>The first error since the mark; null when there was none.</summary>
    public string? DefectSince(int mark) => Errors > mark ? LastFirstError : null;

    /// <summary>Rejects the object because of a value.</summary>
    public void Error(ManifestNode at, string message) => Reject(at.Line, at.Column, PathTo(at, null), message);

    /// <summary>Rejects the object because of an entry: the position is that of its key.</summary>
    public void Error(ManifestNode mapping, ManifestMember at, string message) =>
        Reject(at.Line, at.Column, PathTo(mapping, at.Key), message);

    /// <summary>Rejects the object because of something that is not there.</summary>
    public void Missing(ManifestNode mapping, string key, string message) =>
        Reject(mapping.Line, mapping.Column, PathTo(mapping, key), message);

    /// <summary>Tells of a mistake that does not stop the object from being used as written.</summary>
    public void Report(FindingSeverity severity, ManifestNode at, string message) =>
        Add(severity, at.Line, at.Column, Join(PathTo(at, null), message));

    /// <summary>Whether the node is an object; reports it when it is not.</summary>
    public bool IsMapping(ManifestNode node)
    {
        if (node.Kind != NodeKind.Mapping)
        {
            Error(node, $"must be an object, not {node.KindName}");
        }

        return node.Kind == NodeKind.Mapping;
    }

    /// <summary>As <see cref="IsMapping(ManifestNode)"/>, and reports fields that are not among the known ones.</summary>
    public bool IsMapping(ManifestNode node, string[] known)
    {
        if (!IsMapping(node))
        {
            return false;
        }

        foreach (var member in node.Members)
        {
            if (Array.IndexOf(known, member.Key) < 0)
            {
                Error(node, member, $"unknown field{Hint(member.Key, known)}");
            }
        }

        return true;
    }

    /// <summary>As <see cref="IsMapping(ManifestNode)"/> for an object of which only some fields are read: reports what looks like one of them misspelt.</summary>
    public bool IsOpenMapping(ManifestNode node, string[] read)
    {
        if (!IsMapping(node))
        {
            return false;
        }

        foreach (var member in node.Members)
        {
            if (member.Key.Length > 4 && Array.IndexOf(read, member.Key) < 0 && Spelling.Nearest(member.Key, read) is { } nearest
                && Math.Abs(nearest.Length - member.Key.Length) <= 1)
            {
                Error(node, member, $"unknown field; did you mean {nearest}?");
            }
        }

        return true;
    }

    /// <summary>The elements of a list; empty, and reported, when the node is none.</summary>
    public IReadOnlyList<ManifestNode> Items(ManifestNode? node)
    {
        if (node is null)
        {
            return [];
        }

        if (node.Kind != NodeKind.Sequence)
        {
            Error(node, $"must be a list, not {node.KindName}");
        }

        return node.Items;
    }

    /// <summary>The text of a string; null, and reported, when the node is none.</summary>
    public string? String(ManifestNode? node)
    {
        if (node is null or { Kind: NodeKind.String })
        {
            return node?.Text;
        }

        var remedy = node.IsScalar && node.Kind != NodeKind.Null ? $"; quote it: \"{Text.Shorten(node.Written)}\"" : string.Empty;
        Error(node, $"must be a string, not {node.KindName}{remedy}");
        return null;
    }

    /// <summary>A string that must be one of a few; the default, and reported, when it is not.</summary>
    public T Choice<T>(ManifestNode? node, T otherwise, params ReadOnlySpan<(string Text, T Value)> choices)
    {
        if (String(node) is not { } text)
        {
            return otherwise;
        }

        var names = new List<string>();
        foreach (var (name, value) in choices)
        {
            if (string.Equals(name, text, StringComparison.Ordinal))
            {
                return value;
            }

            names.Add(name);
        }

        Error(node!, $"{Text.Quote(text)} is not one of {string.Join(", ", names)}{Hint(text, names)}");
        return otherwise;
    }

    /// <summary>An integer within bounds; null, and reported, when the node is none.</summary>
    public int? Integer(ManifestNode? node, int minimum, int maximum)
    {
        if (node is null)
        {
            return null;
        }

        if (node.Kind != NodeKind.Integer)
        {
            Error(node, $"must be an integer, not {(node.Kind == NodeKind.Float ? "a fraction" : node.KindName)}");
            return null;
        }

        if (long.TryParse(node.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            && value >= minimum && value <= maximum)
        {
            return (int)value;
        }

        Error(node, $"{Text.Shorten(node.Text)} is out of range: {minimum} to {maximum}");
        return null;
    }

    public ushort? Port(ManifestNode? node) => (ushort?)Integer(node, 1, ushort.MaxValue);

    public bool? Boolean(ManifestNode? node)
    {
        if (node is null or { Kind: NodeKind.Boolean })
        {
            return node is null ? null : node.Text == "true";
        }

        Error(node, $"must be true or false, not {node.KindName}{(node.Kind == NodeKind.String ? "; remove the quotes" : string.Empty)}");
        return null;
    }

    /// <summary>Reports every key that is given twice, wherever in the object.</summary>
    public void ReportDuplicates() => ReportDuplicates(Root);

    private void ReportDuplicates(ManifestNode node)
    {
        if (!node.HasDuplicates)
        {
            return;
        }

        foreach (var duplicate in node.Duplicates)
        {
            Error(node, duplicate, "given twice in one object; remove one");
        }

        foreach (var item in node.Items)
        {
            ReportDuplicates(item);
        }

        foreach (var member in node.Members)
        {
            ReportDuplicates(member.Value);
        }
    }

    private static string Hint(string word, IEnumerable<string> candidates) => Spelling.Hint(word, candidates);

    private void Reject(int line, int column, string path, string message)
    {
        var text = Join(path, message);
        Errors++;
        LastFirstError ??= text;
        Add(FindingSeverity.Error, line, column, text);
    }

    private void Add(FindingSeverity severity, int line, int column, string message)
    {
        _findings++;
        if (_findings <= ManifestLimits.FindingsPerObject)
        {
            findings.Add(severity, line, column, Name, message);
        }
        else if (_findings == ManifestLimits.FindingsPerObject + 1)
        {
            findings.Add(
                FindingSeverity.Error, Root.Line, Root.Column, Name, $"more than {ManifestLimits.FindingsPerObject} findings; the rest is not listed");
        }
    }

    private SourcePosition PositionAt(int line, int column) => file is null ? default : new(file, line, column);

    private static string Join(string path, string message) => path.Length == 0 ? message : $"{path}: {message}";

    /// <summary>The field path to a node, found when it is needed: errors are rare, fields are not.</summary>
    private string PathTo(ManifestNode node, string? key)
    {
        if (_findings > ManifestLimits.FindingsPerObject)
        {
            return string.Empty;
        }

        var path = Find(Root, node) ?? string.Empty;
        return key is null ? path : path + "." + Text.Shorten(key) is var full && path.Length == 0 ? full[1..] : full;
    }

    private static string? Find(ManifestNode from, ManifestNode node)
    {
        if (ReferenceEquals(from, node))
        {
            return string.Empty;
        }

        for (var i = 0; i < from.Items.Count; i++)
        {
            if (Find(from.Items[i], node) is { } path)
            {
                return Glue($"[{i}]", path);
            }
        }

        foreach (var member in from.Members)
        {
            if (Find(member.Value, node) is { } path)
            {
                return Glue(Text.Shorten(member.Key), path);
            }
        }

        return null;
    }

    private static string Glue(string head, string tail) =>
        tail.Length == 0 || tail[0] == '[' ? head + tail : $"{head}.{tail}";
}
