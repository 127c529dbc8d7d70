using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;

namespace Portcullis.Sources.Kubernetes.Fake;

/// <summary>A request that an informer made.</summary>
internal sealed record FakeRequest(string Path, IReadOnlyDictionary<string, string> Query)
{
    public bool IsWatch => Query.ContainsKey("watch");
}

/// <summary>The objects of one kind, with the history that watches need. Thread-safe.</summary>
internal sealed class FakeKind(string path)
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, JsonObject> _objects = new(StringComparer.Ordinal);
    private readonly List<(long Version, string Frame)> _history = [];
    private readonly List<Channel<string>> _watches = [];
    private readonly Channel<FakeRequest> _requests = Channel.CreateUnbounded<FakeRequest>();
    private long _version = 100;

    public string Path { get; } = path;

    /// <summary>Answers a request instead of the kind; returns whether it did.</summary>
    public Func<HttpContext, FakeRequest, Task<bool>>? Intercept { get; set; }

    /// <summary>Overrides how many objects a page holds.</summary>
    public int? PageSize { get; set; }

    /// <summary>Waits for the next request that meets the condition; earlier ones are passed over.</summary>
    public async Task<FakeRequest> NextAsync(string what, Func<FakeRequest, bool> condition)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(20));
        try
        {
            while (true)
            {
                var request = await _requests.Reader.ReadAsync(deadline.Token);
                if (condition(request))
                {
                    return request;
                }
            }
        }
        catch (OperationCanceledException exception)
        {
            throw new TimeoutException($"{Path}: waited for {what}", exception);
        }
    }

    public Task<FakeRequest> NextListAsync() => NextAsync("a list", request => !request.IsWatch);

    public Task<FakeRequest> NextWatchAsync() => NextAsync("a watch", request => request.IsWatch);

    /// <summary>Creates or changes an object and tells the watches.</summary>
    public void Set(JsonObject item)
    {
        lock (_lock)
        {
            var type = _objects.ContainsKey(KeyOf(item)) ? "MODIFIED" : "ADDED";
            item["metadata"]!["resourceVersion"] = (++_version).ToString(CultureInfo.InvariantCulture);
            _objects[KeyOf(item)] = item;
            Send(type, item);
        }
    }

    /// <summary>Deletes an object and tells the watches.</summary>
    public void Delete(string key)
    {
        lock (_lock)
        {
            if (_objects.Remove(key, out var item))
            {
                item["metadata"]!["resourceVersion"] = (++_version).ToString(CultureInfo.InvariantCulture);
                Send("DELETED", item);
            }
        }
    }

    /// <summary>Changes an object without telling anybody, as if a frame were lost.</summary>
    public void Silently(Action change)
    {
        lock (_lock)
        {
            var watches = _watches.ToList();
            _watches.Clear();
            change();
            _history.Clear();
            _watches.AddRange(watches);
        }
    }

    public void Bookmark()
    {
        lock (_lock)
        {
            _version++;
            SendRaw($$$$"""{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"{{{{_version}}}}","creationTimestamp":null}}}""" + "\n");
        }
    }

    /// <summary>Sends text to every watch.</summary>
    public void SendRaw(string text)
    {
        lock (_lock)
        {
            _watches.ForEach(watch => watch.Writer.TryWrite(text));
        }
    }

    /// <summary>Ends every watch, with or without finishing the response.</summary>
    public void CutWatches(bool abort = false)
    {
        lock (_lock)
        {
            _watches.ForEach(watch => watch.Writer.TryComplete(abort ? new IOException("cut") : null));
            _watches.Clear();
        }
    }

    public async Task HandleAsync(HttpContext context)
    {
        var query = context.Request.Query.ToDictionary(pair => pair.Key, pair => pair.Value.ToString());
        var request = new FakeRequest(Path, query);
        _requests.Writer.TryWrite(request);
        if (Intercept is { } intercept && await intercept(context, request))
        {
            return;
        }

        if (request.IsWatch)
        {
            await WatchAsync(context, long.Parse(query["resourceVersion"], CultureInfo.InvariantCulture));
        }
        else
        {
            await ListAsync(context, query);
        }
    }

    private static string KeyOf(JsonObject item) =>
        item["metadata"]!["namespace"] is { } space ? $"{space}/{item["metadata"]!["name"]}" : $"{item["metadata"]!["name"]}";

    private void Send(string type, JsonObject item)
    {
        var frame = new JsonObject { ["type"] = type, ["object"] = item.DeepClone() }.ToJsonString() + "\n";
        _history.Add((_version, frame));
        SendRaw(frame);
    }

    private async Task ListAsync(HttpContext context, Dictionary<string, string> query)
    {
        string body;
        lock (_lock)
        {
            var start = query.TryGetValue("continue", out var token) ? int.Parse(token, CultureInfo.InvariantCulture) : 0;
            var size = PageSize ?? int.Parse(query["limit"], CultureInfo.InvariantCulture);
            var items = new JsonArray([.. _objects.Values.Skip(start).Take(size).Select(item => item.DeepClone())]);
            var metadata = new JsonObject { ["resourceVersion"] = _version.ToString(CultureInfo.InvariantCulture) };
            if (start + size < _objects.Count)
            {
                metadata["continue"] = (start + size).ToString(CultureInfo.InvariantCulture);
            }

            body = new JsonObject { ["kind"] = "List", ["metadata"] = metadata, ["items"] = items }.ToJsonString();
        }

        await context.Response.WriteAsync(body);
    }

    private async Task WatchAsync(HttpContext context, long since)
    {
        var watch = Channel.CreateUnbounded<string>();
        lock (_lock)
        {
            foreach (var (_, frame) in _history.Where(entry => entry.Version > since))
            {
                watch.Writer.TryWrite(frame);
            }

            _watches.Add(watch);
        }

        await context.Response.StartAsync(context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        try
        {
            await foreach (var text in watch.Reader.ReadAllAsync(context.RequestAborted))
            {
                await context.Response.WriteAsync(text, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (IOException)
        {
            context.Abort();
        }
        catch (OperationCanceledException)
        {
            // The informer went away.
        }
    }
}
