using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Portcullis.Host.Configuration;

/// <summary>Reads YAML into settings, keeping the line of each.</summary>
internal static class ConfigurationFile
{
    private const int MaximumDepth = 16;

    /// <summary>Reads a file; what is wrong with it goes to <paramref name="errors"/>.</summary>
    public static IReadOnlyList<Setting> Read(string path, ICollection<string> errors)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            errors.Add(exception is FileNotFoundException or DirectoryNotFoundException
                ? $"{path}: no such configuration file"
                : $"{path}: cannot be read: {exception.Message}");
            return [];
        }

        var settings = new List<Setting>();
        var parser = new Parser(new StringReader(text));
        try
        {
            Parse(parser, path, settings, errors);
        }
        catch (YamlException exception)
        {
            errors.Add($"{path}:{exception.Start.Line}:{exception.Start.Column}: not valid YAML: {exception.Message}");
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // The parser lets some malformed input through to its internals.
            errors.Add($"{path}:{parser.Current?.End.Line ?? 1}: not valid YAML: a bracket, brace or quote is not closed, or a colon is missing, here or above");
        }

        return settings;
    }

    /// <summary>Reads the value of one setting when it is written as a YAML list, <c>[a, b]</c>.</summary>
    /// <returns>Null when it is not a list.</returns>
    public static IReadOnlyList<string>? ReadList(string text)
    {
        if (!text.StartsWith('[') || !text.EndsWith(']'))
        {
            return null;
        }

        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            return stream.Documents is [{ RootNode: YamlSequenceNode list }] && list.All(node => node is YamlScalarNode)
                ? [.. list.Select(node => ((YamlScalarNode)node).Value ?? string.Empty)]
                : null;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Not a list after all, for example an address in brackets with a port: plain text.
            return null;
        }
    }

    private static void Parse(Parser parser, string path, List<Setting> settings, ICollection<string> errors)
    {
        var stream = new YamlStream();
        stream.Load(parser);
        if (stream.Documents.Count > 1)
        {
            errors.Add($"{path}: holds {stream.Documents.Count} documents; a configuration is one");
            return;
        }

        foreach (var document in stream.Documents)
        {
            if (document.RootNode is YamlMappingNode root)
            {
                Flatten(string.Empty, root, path, 0, settings, errors);
            }
            else if (!IsNull(document.RootNode))
            {
                errors.Add($"{path}:{document.RootNode.Start.Line}: expected sections such as 'source:' and 'datapath:'");
            }
        }
    }

    private static void Flatten(string key, YamlNode node, string path, int depth, List<Setting> settings, ICollection<string> errors)
    {
        var origin = $"{path}:{node.Start.Line}";
        switch (node)
        {
            case var _ when depth > MaximumDepth:
                errors.Add($"{origin}: nested more than {MaximumDepth} deep");
                break;
            case YamlMappingNode mapping:
                foreach (var (name, child) in mapping.Children)
                {
                    var part = (name as YamlScalarNode)?.Value ?? string.Empty;
                    Flatten(key.Length == 0 ? part : $"{key}:{part}", child, path, depth + 1, settings, errors);
                }

                break;
            case YamlSequenceNode { Children.Count: 0 }:
                settings.Add(new(key, string.Empty, origin));
                break;
            case YamlSequenceNode sequence:
                for (var i = 0; i < sequence.Children.Count; i++)
                {
                    Flatten($"{key}:{i}", sequence.Children[i], path, depth + 1, settings, errors);
                }

                break;
            case YamlScalarNode scalar when !IsNull(scalar):
                settings.Add(new(key, scalar.Value ?? string.Empty, origin));
                break;
        }
    }

    private static bool IsNull(YamlNode node) =>
        node is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" or "Null" or "NULL" };
}
