using System.Text;

namespace Portcullis.Policy.Manifests;

/// <summary>Makes text of strangers fit for a message of one line.</summary>
internal static class Text
{
    private const int MaxQuoted = 80;
    private const int MaxLine = 300;

    /// <summary>Escapes control characters and cuts what is too long for a message, visibly.</summary>
    public static string Shorten(string text) => Clean(text, MaxQuoted);

    /// <summary>As <see cref="Shorten"/>, in quotes.</summary>
    public static string Quote(string text) => $"\"{Shorten(text)}\"";

    /// <summary>As <see cref="Shorten"/>, for a message of somebody else.</summary>
    public static string OneLine(string text) => Clean(text, MaxLine);

    /// <summary>Whether the text can stand in a message as it is.</summary>
    public static bool IsClean(string text, int maxLength) => text.Length <= maxLength && !text.Any(IsUnprintable);

    private static string Clean(string text, int maxLength)
    {
        if (IsClean(text, maxLength))
        {
            return text;
        }

        var builder = new StringBuilder();
        foreach (var character in text.AsSpan(0, Math.Min(text.Length, maxLength)))
        {
            if (IsUnprintable(character))
            {
                builder.Append($"\\u{(int)character:x4}");
            }
            else
            {
                builder.Append(character);
            }
        }

        return text.Length > maxLength ? builder.Append("...").ToString() : builder.ToString();
    }

    private static bool IsUnprintable(char character) =>
        char.IsControl(character) || char.IsSurrogate(character) || character is '\u2028' or '\u2029' or '\ufeff';
}
