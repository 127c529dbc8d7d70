namespace Portcullis.Sources;

/// <summary>What every source is told by the configuration. The host registers it before plugins are built.</summary>
/// <param name="NodeName">This node's name; never empty.</param>
public sealed record SourceSettings(string NodeName);
