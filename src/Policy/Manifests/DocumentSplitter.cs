namespace Portcullis.Policy.Manifests;

/// <summary>Cuts a file at YAML's document marks, so that a syntax error costs one document and not all that follow.</summary>
/// <remarks>A line that starts with <c>---</c> and a space or nothing is a mark wherever it stands, also inside quotes and block scalars.</remarks>
internal static class DocumentSplitter
{
    /// <summary>The parts in order, each with the number of lines before it.</summary>
    public static IEnumerable<(int Start, int Length, int Line)> Split(string text)
    {
        var (start, startLine, line, hasContent) = (0, 0, 0, false);
        for (var at = 0; at < text.Length; line++)
        {
            var end = text.IndexOf('\n', at);
            end = end < 0 ? text.Length : end + 1;
            var isMark = IsMark(text.AsSpan(at, end - at));
            if (isMark && hasContent)
            {
                yield return (start, at - start, startLine);
                (start, startLine) = (at, line);
            }

            // Directives and comments belong to the document whose mark follows them.
            hasContent = isMark ? HasContent(text.AsSpan(at + 3, end - at - 3)) : hasContent || HasContent(text.AsSpan(at, end - at));
            at = end;
        }

        if (start < text.Length)
        {
            yield return (start, text.Length - start, startLine);
        }
    }

    /// <summary>Where the text goes on after leading marks, comments and empty lines.</summary>
    public static int BodyOf(string text)
    {
        var at = 0;
        while (at < text.Length)
        {
            var end = text.IndexOf('\n', at);
            end = end < 0 ? text.Length : end + 1;
            var line = text.AsSpan(at, end - at);
            if (IsMark(line) ? HasContent(line[3..]) : HasContent(line))
            {
                return IsMark(line) ? at + 3 : at;
            }

            at = end;
        }

        return at;
    }

    private static bool IsMark(ReadOnlySpan<char> line) =>
        line.StartsWith("---", StringComparison.Ordinal) && (line.Length == 3 || char.IsWhiteSpace(line[3]));

    private static bool HasContent(ReadOnlySpan<char> line) => line.TrimStart() is [not ('#' or '%'), ..];
}
