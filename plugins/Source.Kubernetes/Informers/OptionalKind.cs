using System.Net;
using System.Text.Json;
using Portcullis.Sources.Kubernetes.Connection;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes.Informers;

/// <summary>What an informer does about a kind that the server may not have, or not let it read: nothing waits for it, and it is looked for again.</summary>
internal sealed class OptionalKind<T>(ApiKind<T> kind, IObjectSet<T> objects, ChangeBoard board, TimeProvider time)
    where T : class, IApiObject
{
    /// <summary>A server that starts answers 404 and 403 for what it serves later. Once it says it is ready, or after this time, the answer counts.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private long? _refusedSince;

    /// <summary>How soon to look again for a kind that is not there.</summary>
    private static TimeSpan RetryAfter => TimeSpan.FromSeconds(5 + (5 * Random.Shared.NextDouble()));

    /// <summary>The kind is there.</summary>
    public void IsServed() => _refusedSince = null;

    /// <summary>Decides about a refusal.</summary>
    /// <returns>When to ask again if the kind is taken as absent for now, or if it is there by now; null: the refusal is a failure like any other.</returns>
    public async Task<TimeSpan?> JudgeAsync(ApiException refused, ApiConnection connection, ApiServer server, CancellationToken cancellationToken)
    {
        if (refused.Status is not (HttpStatusCode.NotFound or HttpStatusCode.Forbidden))
        {
            return null;
        }

        _refusedSince ??= time.GetTimestamp();
        if (await AnswersAsync(connection, "/readyz", cancellationToken))
        {
            // The server may have become ready after it refused.
            if (await AnswersAsync(connection, kind.ListPath(null), cancellationToken))
            {
                return TimeSpan.Zero;
            }
        }
        else if (time.GetElapsedTime(_refusedSince.Value) < Patience)
        {
            return null;
        }

        // The next refusal is judged anew: the server may be another one by then.
        _refusedSince = null;
        if (refused.Status == HttpStatusCode.Forbidden)
        {
            // What is known of it stays: nobody said that it is gone.
            board.SetProblem(kind.Name, Failures.Explain(refused, server, connection, kind.Name));
        }
        else
        {
            objects.Restart();
            objects.Commit(time.GetTimestamp());
            board.SetProblem(kind.Name, await FindOtherVersionAsync(connection, cancellationToken));
        }

        board.MarkSynced(kind.Name);
        return RetryAfter;
    }

    private static async Task<bool> AnswersAsync(ApiConnection connection, string path, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await connection.GetAsync(path, cancellationToken);
            return true;
        }
        catch (Exception exception) when (exception is ApiException or HttpRequestException or IOException)
        {
            // Not ready, not allowed to ask, or gone.
            return false;
        }
    }

    /// <summary>A finding when the kind is served, but in versions that are not understood here.</summary>
    private async Task<Finding?> FindOtherVersionAsync(ApiConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            var group = kind.GroupVersion[..kind.GroupVersion.LastIndexOf('/')];
            using var versions = await GetJsonAsync(connection, group, cancellationToken);
            var served = new List<string>();
            foreach (var version in Items(versions.RootElement, "versions").Select(version => Text(version, "version")))
            {
                using var resources = await GetJsonAsync(connection, $"{group}/{version}", cancellationToken);
                if (Items(resources.RootElement, "resources").Any(resource => Text(resource, "name") == kind.Name))
                {
                    served.Add(version);
                }
            }

            return served.Count == 0 ? null : new Finding(
                FindingSeverity.Error,
                default,
                kind.Name,
                $"are served only as {string.Join(", ", served)}; this agent understands {kind.GroupVersion[(group.Length + 1)..]}, so none of them is enforced: serve that version too");
        }
        catch (Exception exception) when (exception is ApiException or HttpRequestException or IOException or JsonException)
        {
            // The group itself is not there, which is how most servers are.
            return null;
        }
    }

    private static async Task<JsonDocument> GetJsonAsync(ApiConnection connection, string path, CancellationToken cancellationToken)
    {
        using var response = await connection.GetAsync(path, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        return await JsonDocument.ParseAsync(stream, cancellationToken: cancellationToken);
    }

    private static JsonElement.ArrayEnumerator Items(JsonElement node, string name) =>
        node.ValueKind == JsonValueKind.Object && node.TryGetProperty(name, out var items) && items.ValueKind == JsonValueKind.Array
            ? items.EnumerateArray()
            : default;

    private static string Text(JsonElement node, string name) =>
        node.ValueKind == JsonValueKind.Object && node.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : string.Empty;
}
