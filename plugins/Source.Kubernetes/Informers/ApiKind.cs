using System.Text.Json.Serialization.Metadata;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes.Informers;

/// <summary>A kind of object: where it is and how it is read.</summary>
/// <param name="Name">Its plural, as in a ClusterRole.</param>
/// <param name="GroupVersion">The path of its group and version: <c>/api/v1</c>, <c>/apis/networking.k8s.io/v1</c>.</param>
/// <param name="List">Reads a page.</param>
/// <param name="Frame">Reads a frame of a watch.</param>
internal sealed record ApiKind<T>(string Name, string GroupVersion, JsonTypeInfo<ObjectList<T>> List, JsonTypeInfo<ObjectFrame<T>> Frame)
    where T : class, IApiObject
{
    private const int PageSize = 500;

    /// <summary>Which objects; null: all.</summary>
    public string? FieldSelector { get; init; }

    /// <summary>Which objects by their labels; null: all.</summary>
    public string? LabelSelector { get; init; }

    /// <summary>Where servers have it that do not have it at <see cref="GroupVersion"/>, with the fields that are read alike; null: nowhere.</summary>
    public string? OtherGroupVersion { get; init; }

    /// <summary>Whether a server may do without it: then nothing waits for it.</summary>
    public bool IsOptional { get; init; }

    private string Selection => Parameter("fieldSelector", FieldSelector) + Parameter("labelSelector", LabelSelector);

    /// <summary>The kind at its other place.</summary>
    public ApiKind<T> Elsewhere() => this with { GroupVersion = OtherGroupVersion!, OtherGroupVersion = GroupVersion };

    /// <summary>The request for a page. Without a version, so that it is never older than what was seen before.</summary>
    public string ListPath(string? next) =>
        $"{GroupVersion}/{Name}?limit={PageSize}{(next is null ? string.Empty : $"&continue={Uri.EscapeDataString(next)}")}{Selection}";

    /// <summary>The request for what happens after a version.</summary>
    public string WatchPath(string version, TimeSpan duration) =>
        $"{GroupVersion}/{Name}?watch=true&allowWatchBookmarks=true&timeoutSeconds={(int)duration.TotalSeconds}&resourceVersion={Uri.EscapeDataString(version)}{Selection}";

    private static string Parameter(string name, string? value) => value is null ? string.Empty : $"&{name}={Uri.EscapeDataString(value)}";
}
