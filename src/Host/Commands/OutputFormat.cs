using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Portcullis.Host.Commands;

/// <summary>What a command prints its data as.</summary>
internal enum OutputFormat
{
    /// <summary>For people.</summary>
    Text,

    /// <summary>For scripts.</summary>
    Json,
}

/// <summary>The option <c>-o</c> and how data is printed.</summary>
internal static class Output
{
    /// <summary>Makes the option.</summary>
    public static Option<OutputFormat> CreateOption()
    {
        var option = new Option<OutputFormat>("--output", "-o")
        {
            Description = "text for people, json for scripts",
            HelpName = "text|json",
        };
        option.AcceptOnlyFromAmong("text", "json");
        return option;
    }

    /// <summary>Prints a value as one line of JSON.</summary>
    public static Task WriteJsonAsync<T>(TextWriter output, T value, JsonTypeInfo<T> type) =>
        output.WriteLineAsync(JsonSerializer.Serialize(value, type));

    /// <summary>Prints rows below a headline, each column as wide as its widest cell.</summary>
    public static async Task WriteTableAsync(TextWriter output, IReadOnlyList<string> header, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        var widths = header.Select((title, column) => rows.Select(row => row[column].Length).Append(title.Length).Max()).ToList();
        foreach (var row in rows.Prepend(header))
        {
            await output.WriteLineAsync(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
        }
    }
}
