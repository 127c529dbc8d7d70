using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Portcullis.Policy.Manifests;

/// <summary>Reads files of Kubernetes manifests, YAML or JSON. Pure; never throws because of what a file holds.</summary>
public static class ManifestReader
{
    /// <summary>What YAML does not allow anywhere: the parser would take NUL for the end of the text.</summary>
    private static readonly SearchValues<char> Controls = SearchValues.Create(
        [.. Enumerable.Range(0, 32).Select(c => (char)c).Except(['\t', '\n', '\r']), '\u007f', '\ufffe', '\uffff']);

    /// <summary>The largest file that is read, in bytes.</summary>
    public const int MaxFileBytes = ManifestLimits.FileBytes;

    /// <summary>Reads a file's content.</summary>
    /// <param name="content">UTF-8, with or without a byte order mark.</param>
    /// <param name="file">The file's path as it shall stand in positions; <c>.json</c> makes the content JSON, otherwise its first character decides.</param>
    public static ManifestFile Read(ReadOnlySpan<byte> content, string file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Read(content, file, null);
    }

    /// <summary>As <see cref="Read(ReadOnlySpan{byte}, string)"/>; keeps what the policies were read from.</summary>
    internal static ManifestFile Read(ReadOnlySpan<byte> content, string file, PolicyTrees? trees)
    {
        var documents = new DocumentReader(file, trees);
        if (content.Length > MaxFileBytes)
        {
            documents.ReportUnreadable(1, 1, $"the file has more than {MaxFileBytes / (1024 * 1024)} MiB; split it");
        }
        else if (Decode(content, documents) is { } text)
        {
            var json = file.EndsWith(".json", StringComparison.OrdinalIgnoreCase);
            var budget = new NodeBudget();
            foreach (var (start, length, line) in DocumentSplitter.Split(text).TakeWhile(_ => !budget.IsSpent))
            {
                ReadPart(text.Substring(start, length), line, json, budget, documents);
            }
        }

        return new ManifestFile([.. documents.Resources], [.. documents.Findings.Findings], documents.Complete, documents.HasDuplicates);
    }

    /// <summary>Reads one object of an API server. What it reads as, and what is wrong with it, is the same as in a file; it has no positions.</summary>
    /// <param name="json">The object, UTF-8; an item of a list does not state its kind.</param>
    /// <param name="apiVersion">Its version.</param>
    /// <param name="kind">Its kind.</param>
    public static ManifestFile ReadObject(ReadOnlySpan<byte> json, string apiVersion, string kind)
    {
        var documents = new DocumentReader(null, trees: null);
        try
        {
            var nodes = new List<ManifestNode>();
            JsonTreeReader.Read(json, 0, new NodeBudget(), nodes);
            nodes.ForEach(node => documents.Read(node, apiVersion, kind));
        }
        catch (ManifestSyntaxException exception)
        {
            documents.ReportUnreadable(exception.Line, exception.Column, exception.Message);
        }

        return new ManifestFile([.. documents.Resources], [.. documents.Findings.Findings], documents.Complete);
    }

    private static string? Decode(ReadOnlySpan<byte> content, DocumentReader documents)
    {
        if (content.StartsWith("\ufeff"u8))
        {
            content = content[3..];
        }

        if (Utf8.IsValid(content))
        {
            return Encoding.UTF8.GetString(content);
        }

        var characters = new char[content.Length];
        Utf8.ToUtf16(content, characters, out var read, out var written, replaceInvalidSequences: false);
        var (line, column) = Locate(characters.AsSpan(0, written));
        documents.ReportUnreadable(line, column, $"byte 0x{content[read]:x2} is no UTF-8; save the file as UTF-8");
        return null;
    }

    private static (int Line, int Column) Locate(ReadOnlySpan<char> before) =>
        (1 + before.Count('\n'), before.Length - before.LastIndexOf('\n'));

    private static void ReadPart(string text, int lineOffset, bool json, NodeBudget budget, DocumentReader documents)
    {
        var nodes = new List<ManifestNode>();
        var fault = ReadSyntax(text, lineOffset, json, budget, nodes);
        foreach (var node in nodes)
        {
            documents.Read(node);
        }

        if (fault is not null)
        {
            documents.ReportUnreadable(fault.Line, fault.Column, fault.Message);
        }
    }

    /// <summary>Fills <paramref name="nodes"/> and returns what ended the reading, if anything did.</summary>
    private static ManifestSyntaxException? ReadSyntax(string text, int lineOffset, bool json, NodeBudget budget, List<ManifestNode> nodes)
    {
        if (text.AsSpan().IndexOfAny(Controls) is var control and >= 0)
        {
            var (line, column) = Locate(text.AsSpan(0, control));
            return new ManifestSyntaxException(line + lineOffset, column, $"control character U+{(int)text[control]:X4} is not allowed");
        }

        var body = DocumentSplitter.BodyOf(text);
        if (!json && !LooksLikeJson(text.AsSpan(body)))
        {
            return Try(() => YamlTreeReader.Read(text, lineOffset, budget, nodes));
        }

        // Not everything legal in JSON is legal in YAML, and not every text that looks like JSON is.
        var bodyOffset = lineOffset + text.AsSpan(0, body).Count('\n');
        var fault = Try(() => JsonTreeReader.Read(Encoding.UTF8.GetBytes(text[body..]), bodyOffset, budget, nodes));
        if (fault is not null && !json)
        {
            var yaml = new List<ManifestNode>();
            if (Try(() => YamlTreeReader.Read(text, lineOffset, budget, yaml)) is null)
            {
                nodes.Clear();
                nodes.AddRange(yaml);
                return null;
            }
        }

        return fault;
    }

    /// <summary>An object whose first key is in double quotes, or a list.</summary>
    private static bool LooksLikeJson(ReadOnlySpan<char> body)
    {
        body = body.TrimStart();
        return body is ['[', ..] || (body is ['{', ..] && body[1..].TrimStart() is ['"' or '}', ..]);
    }

    private static ManifestSyntaxException? Try(Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (ManifestSyntaxException exception)
        {
            return exception;
        }
    }
}
