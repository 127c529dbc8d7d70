using System.Text.Json.Serialization;

namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>An object of the API, reduced to what is read of it.</summary>
internal interface IApiObject
{
    ObjectMeta? Metadata { get; }
}

/// <summary>What is read of an object's metadata.</summary>
internal sealed record ObjectMeta
{
    public string? Name { get; init; }

    public string? Namespace { get; init; }

    public string? ResourceVersion { get; init; }

    public DateTimeOffset? CreationTimestamp { get; init; }

    public DateTimeOffset? DeletionTimestamp { get; init; }

    public Dictionary<string, string>? Labels { get; init; }

    public KnownAnnotations? Annotations { get; init; }

    [JsonIgnore]
    public NamespacedName FullName => new(Namespace ?? string.Empty, Name ?? string.Empty);
}

/// <summary>The annotations that are read; others may be large.</summary>
internal sealed record KnownAnnotations
{
    [JsonPropertyName("portcullis.dev/interface")]
    public string? Interface { get; init; }
}
