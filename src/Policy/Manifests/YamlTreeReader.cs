using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Portcullis.Policy.Manifests;

/// <summary>Builds node trees from the events of the YAML parser, within <see cref="ManifestLimits"/>.</summary>
internal sealed class YamlTreeReader
{
    private readonly Parser _parser;
    private readonly int _lineOffset;
    private readonly Dictionary<string, ManifestNode?> _anchors = new(StringComparer.Ordinal);
    private readonly NodeBudget _budget;
    private int _aliasedNodes;

    private YamlTreeReader(string text, int lineOffset, NodeBudget budget)
    {
        _budget = budget;
        _parser = new Parser(new StringReader(text));
        _lineOffset = lineOffset;
    }

    /// <summary>Appends every document of <paramref name="text"/> to <paramref name="documents"/>.</summary>
    /// <param name="text">YAML.</param>
    /// <param name="lineOffset">How many lines of the file come before the text.</param>
    /// <param name="budget">What the file may still hold.</param>
    /// <param name="documents">Receives the documents up to the first error.</param>
    /// <exception cref="ManifestSyntaxException">The text is no YAML, or goes beyond a limit.</exception>
    public static void Read(string text, int lineOffset, NodeBudget budget, List<ManifestNode> documents)
    {
        var reader = new YamlTreeReader(text, lineOffset, budget);
        try
        {
            reader.ReadStream(documents);
        }
        catch (YamlException exception)
        {
            var (line, column) = Clamp(text, exception.Start);
            throw new ManifestSyntaxException(line + lineOffset, column, Text.OneLine(exception.Message));
        }
        catch (Exception exception) when (exception is not (ManifestSyntaxException or OutOfMemoryException))
        {
            // The parser lets some malformed input through to exceptions of its internals; to the author it is a syntax error.
            var (line, column) = Clamp(text, reader._parser.Current?.End ?? Mark.Empty);
            throw new ManifestSyntaxException(line + lineOffset, column, "cannot be read as YAML: a bracket, brace or quote is not closed, or a colon is missing, here or above");
        }
    }

    /// <summary>The parser places what is missing at the end behind the last line.</summary>
    private static (int Line, int Column) Clamp(string text, Mark mark)
    {
        var body = text.AsSpan().TrimEnd("\r\n");
        var lines = 1 + body.Count('\n');
        return mark.Line <= lines ? ((int)mark.Line, (int)mark.Column) : (lines, body.Length - body.LastIndexOf('\n'));
    }

    private void ReadStream(List<ManifestNode> documents)
    {
        while (_parser.MoveNext())
        {
            if (_parser.Current is not DocumentStart)
            {
                continue;
            }

            _anchors.Clear();
            _aliasedNodes = 0;
            documents.Add(ReadNode(Next(), 0));
        }
    }

    private ParsingEvent Next() =>
        _parser.MoveNext() ? _parser.Current! : throw new ManifestSyntaxException(_lineOffset + 1, 1, "the document ends unexpectedly");

    private ManifestNode ReadNode(ParsingEvent current, int depth)
    {
        _budget.Take(Line(current), Column(current));
        if (depth > ManifestLimits.Depth)
        {
            throw Failure(current, $"nested deeper than {ManifestLimits.Depth} levels");
        }

        if (current is AnchorAlias alias)
        {
            return Resolve(alias, depth);
        }

        var anchor = current is NodeEvent { Anchor.IsEmpty: false } named ? named.Anchor.Value : null;
        if (anchor is not null)
        {
            _anchors[anchor] = null;
        }

        var node = current switch
        {
            Scalar scalar => ReadScalar(scalar),
            SequenceStart start => ReadSequence(start, depth),
            MappingStart start => ReadMapping(start, depth),
            _ => throw Failure(current, "a value is missing"),
        };
        if (anchor is not null)
        {
            _anchors[anchor] = node;
        }

        return node;
    }

    private ManifestNode Resolve(AnchorAlias alias, int depth)
    {
        if (!_anchors.TryGetValue(alias.Value.Value, out var node))
        {
            throw Failure(alias, $"alias *{Text.Shorten(alias.Value.Value)} has no anchor before it");
        }

        if (node is null)
        {
            throw Failure(alias, $"alias *{Text.Shorten(alias.Value.Value)} contains itself");
        }

        _aliasedNodes += node.Size;
        if (_aliasedNodes > ManifestLimits.AliasedNodes)
        {
            throw Failure(alias, $"aliases add more than {ManifestLimits.AliasedNodes} values");
        }

        return depth + node.Height > ManifestLimits.Depth
            ? throw Failure(alias, $"nested deeper than {ManifestLimits.Depth} levels")
            : node;
    }

    private ManifestNode ReadScalar(Scalar scalar)
    {
        var tag = scalar.Tag.IsEmpty ? null : scalar.Tag.Value;
        var (kind, text) = YamlScalars.Resolve(scalar.Value, tag, scalar.Style == ScalarStyle.Plain)
            ?? throw Failure(scalar, $"the value does not fit the tag {Text.Shorten(tag!)}, or the tag is not understood");
        return ManifestNode.Scalar(kind, text, kind == NodeKind.String ? null : scalar.Value, Line(scalar), Column(scalar));
    }

    private ManifestNode ReadSequence(SequenceStart start, int depth)
    {
        CheckTag(start, "seq");
        var items = new List<ManifestNode>();
        for (var next = Next(); next is not SequenceEnd; next = Next())
        {
            items.Add(ReadNode(next, depth + 1));
        }

        return ManifestNode.Sequence(items, Line(start), Column(start));
    }

    private ManifestNode ReadMapping(MappingStart start, int depth)
    {
        CheckTag(start, "map");
        var builder = new MappingBuilder(Line(start), Column(start));
        for (var next = Next(); next is not MappingEnd; next = Next())
        {
            var key = ReadNode(next, depth + 1);
            var value = ReadNode(Next(), depth + 1);
            if (next is Scalar { Value: "<<", Style: ScalarStyle.Plain })
            {
                Merge(builder, value, next);
            }
            else if (!key.IsScalar || key.Kind == NodeKind.Null)
            {
                throw Failure(next, $"a key must be a string, not {key.KindName}");
            }
            else
            {
                builder.Add(new ManifestMember(key.Text, key.Line, key.Column, value));
            }
        }

        return builder.Build();
    }

    private void Merge(MappingBuilder builder, ManifestNode value, ParsingEvent key)
    {
        IEnumerable<ManifestNode> sources = value.Kind == NodeKind.Sequence ? value.Items : [value];
        foreach (var source in sources)
        {
            if (source.Kind != NodeKind.Mapping)
            {
                throw Failure(key, $"<<: only objects can be merged, not {source.KindName}");
            }

            builder.Merge(source, Line(key), Column(key));
        }
    }

    private void CheckTag(NodeEvent start, string expected)
    {
        if (!start.Tag.IsEmpty && start.Tag.Value is var tag && tag != "!" && tag != "tag:yaml.org,2002:" + expected)
        {
            throw Failure(start, $"the tag {Text.Shorten(tag)} is not understood here");
        }
    }

    private int Line(ParsingEvent at) => (int)at.Start.Line + _lineOffset;

    private static int Column(ParsingEvent at) => (int)at.Start.Column;

    private ManifestSyntaxException Failure(ParsingEvent at, string message) => new(Line(at), Column(at), message);
}
