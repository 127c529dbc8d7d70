using System.Text.Json;

namespace Portcullis.Policy.Manifests;

/// <summary>Builds node trees from JSON text, within <see cref="ManifestLimits"/>. Several values may follow each other.</summary>
internal ref struct JsonTreeReader
{
    private readonly ReadOnlySpan<byte> _text;
    private readonly NodeBudget _budget;
    private Utf8JsonReader _reader;
    private int _offset;
    private int _line;
    private int _column;

    private JsonTreeReader(ReadOnlySpan<byte> text, int lineOffset, NodeBudget budget)
    {
        _budget = budget;
        _text = text;
        _line = lineOffset + 1;
        _column = 1;

        // One level more than this reader takes, so that its own message is the one that is seen.
        _reader = new Utf8JsonReader(text, new JsonReaderOptions { AllowMultipleValues = true, MaxDepth = ManifestLimits.Depth + 2 });
    }

    /// <summary>Appends every value of <paramref name="text"/> to <paramref name="documents"/>.</summary>
    /// <param name="text">UTF-8 without a byte order mark.</param>
    /// <param name="lineOffset">How many lines of the file come before the text.</param>
    /// <param name="budget">What the file may still hold.</param>
    /// <param name="documents">Receives the values up to the first error.</param>
    /// <exception cref="ManifestSyntaxException">The text is no JSON, or goes beyond a limit.</exception>
    public static void Read(ReadOnlySpan<byte> text, int lineOffset, NodeBudget budget, List<ManifestNode> documents)
    {
        var reader = new JsonTreeReader(text, lineOffset, budget);
        try
        {
            while (reader._reader.Read())
            {
                documents.Add(reader.ReadNode(0));
            }
        }
        catch (JsonException exception)
        {
            var message = exception.Message;
            var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
            throw new ManifestSyntaxException(
                lineOffset + 1 + (int)(exception.LineNumber ?? 0),
                1 + (int)(exception.BytePositionInLine ?? 0),
                Text.OneLine(end < 0 ? message : message[..end]));
        }
        catch (InvalidOperationException exception)
        {
            // A string with half of a surrogate pair.
            reader.Advance();
            throw new ManifestSyntaxException(reader._line, reader._column, Text.OneLine(exception.Message));
        }
    }

    private ManifestNode ReadNode(int depth)
    {
        Advance();
        var (line, column) = (_line, _column);
        _budget.Take(line, column);
        if (depth > ManifestLimits.Depth)
        {
            throw new ManifestSyntaxException(line, column, $"nested deeper than {ManifestLimits.Depth} levels");
        }

        return _reader.TokenType switch
        {
            JsonTokenType.StartObject => ReadMapping(depth, line, column),
            JsonTokenType.StartArray => ReadSequence(depth, line, column),
            JsonTokenType.String => ManifestNode.Scalar(NodeKind.String, _reader.GetString()!, null, line, column),
            JsonTokenType.True => ManifestNode.Scalar(NodeKind.Boolean, "true", null, line, column),
            JsonTokenType.False => ManifestNode.Scalar(NodeKind.Boolean, "false", null, line, column),
            JsonTokenType.Null => ManifestNode.Scalar(NodeKind.Null, string.Empty, null, line, column),
            _ => ReadNumber(line, column),
        };
    }

    private readonly ManifestNode ReadNumber(int line, int column)
    {
        var text = System.Text.Encoding.ASCII.GetString(_reader.ValueSpan);
        return ManifestNode.Scalar(text.AsSpan().ContainsAny(".eE") ? NodeKind.Float : NodeKind.Integer, text, null, line, column);
    }

    private ManifestNode ReadSequence(int depth, int line, int column)
    {
        var items = new List<ManifestNode>();
        while (Next() && _reader.TokenType != JsonTokenType.EndArray)
        {
            items.Add(ReadNode(depth + 1));
        }

        return ManifestNode.Sequence(items, line, column);
    }

    private ManifestNode ReadMapping(int depth, int line, int column)
    {
        var builder = new MappingBuilder(line, column);
        while (Next() && _reader.TokenType != JsonTokenType.EndObject)
        {
            Advance();
            var (keyLine, keyColumn) = (_line, _column);
            var key = _reader.GetString()!;
            Next();
            builder.Add(new ManifestMember(key, keyLine, keyColumn, ReadNode(depth + 1)));
        }

        return builder.Build();
    }

    private bool Next() => _reader.Read() ? true : throw new ManifestSyntaxException(_line, _column, "the document ends unexpectedly");

    /// <summary>Moves line and column to the current token, counting characters once however long the line is.</summary>
    private void Advance()
    {
        var target = (int)_reader.TokenStartIndex;
        for (; _offset < target; _offset++)
        {
            var current = _text[_offset];
            if (current == (byte)'\n')
            {
                _line++;
                _column = 1;
            }
            else if ((current & 0xC0) != 0x80)
            {
                _column++;
            }
        }
    }
}
