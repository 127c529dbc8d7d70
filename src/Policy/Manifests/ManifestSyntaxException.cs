namespace Portcullis.Policy.Manifests;

/// <summary>A document cannot be read as YAML or JSON.</summary>
internal sealed class ManifestSyntaxException(int line, int column, string message) : Exception(message)
{
    public int Line { get; } = line;

    public int Column { get; } = column;
}
