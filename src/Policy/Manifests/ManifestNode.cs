namespace Portcullis.Policy.Manifests;

/// <summary>What a <see cref="ManifestNode"/> is, in terms of JSON; YAML is reduced to it as Kubernetes reduces it.</summary>
internal enum NodeKind : byte
{
    Null,
    Boolean,
    Integer,
    Float,
    String,
    Sequence,
    Mapping,
}

/// <summary>One entry of a mapping; the position is the key's.</summary>
internal readonly record struct ManifestMember(string Key, int Line, int Column, ManifestNode Value);

/// <summary>A value of a manifest with its place in the file. Aliases share nodes, so the tree is a graph without cycles.</summary>
internal sealed class ManifestNode
{
    private readonly string? _written;

    private ManifestNode(NodeKind kind, int line, int column, string? written = null)
    {
        _written = written;
        Kind = kind;
        Line = line;
        Column = column;
    }

    public NodeKind Kind { get; }

    public int Line { get; }

    public int Column { get; }

    /// <summary>The text of a scalar: decimal for integers, <c>true</c> or <c>false</c> for Booleans.</summary>
    public string Text { get; private init; } = string.Empty;

    /// <summary>The text of a scalar as it stands in the file; <c>yes</c> where <see cref="Text"/> is <c>true</c>.</summary>
    public string Written => _written ?? Text;

    public IReadOnlyList<ManifestNode> Items { get; private init; } = [];

    /// <summary>The entries of a mapping without <see cref="Duplicates"/>: the first of each key.</summary>
    public IReadOnlyList<ManifestMember> Members { get; private init; } = [];

    /// <summary>Entries whose key was there before.</summary>
    public IReadOnlyList<ManifestMember> Duplicates { get; private init; } = [];

    /// <summary>The number of nodes with aliases written out.</summary>
    public int Size { get; private init; } = 1;

    /// <summary>How many levels there are below this node.</summary>
    public int Height { get; private init; }

    /// <summary>Whether this node or one below has a duplicate key.</summary>
    public bool HasDuplicates { get; private init; }

    public bool IsScalar => Kind < NodeKind.Sequence;

    /// <summary>The kind as a reader of a message knows it.</summary>
    public string KindName => Kind switch
    {
        NodeKind.Null => "null",
        NodeKind.Boolean => "a boolean",
        NodeKind.Integer or NodeKind.Float => "a number",
        NodeKind.String => "a string",
        NodeKind.Sequence => "a list",
        _ => "an object",
    };

    public static ManifestNode Scalar(NodeKind kind, string text, string? written, int line, int column) =>
        new(kind, line, column, written) { Text = text };

    public static ManifestNode Sequence(List<ManifestNode> items, int line, int column) => new(NodeKind.Sequence, line, column)
    {
        Items = items,
        Size = 1 + items.Sum(item => item.Size),
        Height = items.Count == 0 ? 0 : 1 + items.Max(item => item.Height),
        HasDuplicates = items.Exists(item => item.HasDuplicates),
    };

    public static ManifestNode Mapping(List<ManifestMember> members, List<ManifestMember> duplicates, int line, int column) =>
        new(NodeKind.Mapping, line, column)
        {
            Members = members,
            Duplicates = duplicates,
            Size = 1 + members.Sum(member => member.Value.Size),
            Height = members.Count == 0 ? 0 : 1 + members.Max(member => member.Value.Height),
            HasDuplicates = duplicates.Count > 0 || members.Exists(member => member.Value.HasDuplicates),
        };

    /// <summary>The value of a key; null when it is absent or null, which Kubernetes does not tell apart.</summary>
    public ManifestNode? this[string key]
    {
        get
        {
            foreach (var member in Members)
            {
                if (string.Equals(member.Key, key, StringComparison.Ordinal))
                {
                    return member.Value.Kind == NodeKind.Null ? null : member.Value;
                }
            }

            return null;
        }
    }

    /// <summary>Whether the key is written, with whatever value.</summary>
    public bool Has(string key) => Members.Any(member => string.Equals(member.Key, key, StringComparison.Ordinal));
}
