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

    /// <summary>Whether a server may do without it: then nothing waits for it.</summary>
    public bool IsOptional { get; init; }

    private string Selection => FieldSelector is null ? string.Empty : $"&fieldSelector={Uri.EscapeDataString(FieldSelector)}";

    /// <summary>The request for a page. Without a version, so that it is never older than what was seen before.</summary>
    public string ListPath(string? next) =>
        $"{GroupVersion}/{Name}?limit={PageSize}{(next is null ? string.Empty : $"&continue={Uri.EscapeDataString(next)}")}{Selection}";

    /// <summary>The request for what happens after a version.</summary>
    public string WatchPath(string version, TimeSpan duration) =>
        $"{GroupVersion}/{Name}?watch=true&allowWatchBookmarks=true&timeoutSeconds={(int)duration.TotalSeconds}&resourceVersion={Uri.EscapeDataString(version)}{Selection}";
}
