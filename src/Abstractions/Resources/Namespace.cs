namespace Portcullis.Resources;

/// <summary>v1 Namespace. A namespace that only its objects mention exists too, without an object of this type.</summary>
public sealed record Namespace : Resource
{
    /// <summary>
    /// The labels as the source gives them. Whoever matches them adds <see cref="NameLabel"/> when it is missing.
    /// </summary>
    public LabelSet Labels { get; init; } = LabelSet.Empty;

    /// <summary>The label every namespace carries: its own name.</summary>
    public const string NameLabel = "kubernetes.io/metadata.name";

    /// <inheritdoc/>
    public override ResourceKey Key => new(ResourceKind.Namespace, string.Empty, Name);
}
