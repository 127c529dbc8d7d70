using YamlDotNet.RepresentationModel;

namespace Portcullis.Deploy.Tests;

/// <summary>Reads manifests as they are written.</summary>
internal static class Yaml
{
    /// <summary>The documents of a text.</summary>
    public static IReadOnlyList<YamlNode> Documents(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return [.. stream.Documents.Select(document => document.RootNode)];
    }

    /// <summary>The documents of a file of the repository.</summary>
    public static IReadOnlyList<YamlNode> File(string relative) => Documents(System.IO.File.ReadAllText(Repository.PathOf(relative)));

    /// <summary>The node at a path of keys and list indexes; fails when it is not there.</summary>
    public static YamlNode At(this YamlNode node, params object[] path) =>
        path.Aggregate(node, (current, step) => step is int index ? current[index] : current[(string)step]);

    /// <summary>The text of the scalar at a path.</summary>
    public static string Text(this YamlNode node, params object[] path) => ((YamlScalarNode)node.At(path)).Value!;

    /// <summary>The elements of the list at a path.</summary>
    public static IEnumerable<YamlNode> Elements(this YamlNode node, params object[] path) => (YamlSequenceNode)node.At(path);

    /// <summary>The texts of the list at a path.</summary>
    public static IEnumerable<string> Texts(this YamlNode node, params object[] path) => node.Elements(path).Select(element => element.Text());
}
