namespace Portcullis.Policy.Manifests;

/// <summary>Bounds on what is read, so that no file can exhaust the machine. Each is far above what people write.</summary>
internal static class ManifestLimits
{
    public const int FileBytes = 64 * 1024 * 1024;

    public const int Depth = 100;

    /// <summary>Values in one file.</summary>
    public const int Nodes = 4_000_000;

    /// <summary>Values that aliases may add to one document.</summary>
    public const int AliasedNodes = 100_000;

    public const int FindingsPerObject = 100;

    public const int FindingsPerFile = 10_000;

    /// <summary>How often <see cref="PolicyLint"/> looks for what was probably meant; findings without that follow.</summary>
    public const int HintsPerSet = 1000;

    /// <summary>Among how many words it looks.</summary>
    public const int HintCandidates = 1000;
}
