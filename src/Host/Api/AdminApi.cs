using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Portcullis.Host.Configuration;
using Portcullis.Host.Enforcement;
using Portcullis.Host.Plugins;

namespace Portcullis.Host.Api;

/// <summary>Answers the commands that talk to a running agent.</summary>
internal sealed class AdminApi(
    EnforcementLoop loop,
    FlowHub flows,
    DatapathSwitch datapaths,
    PluginCatalog plugins,
    AgentOptions options,
    IHostApplicationLifetime lifetime)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    /// <summary>Answers one request.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        try
        {
            await RouteAsync(context, stop.Token);
        }
        catch (CommandException exception)
        {
            await RefuseAsync(context, exception.Code, exception.Lines);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            context.Abort();
        }
    }

    private Task RouteAsync(HttpContext context, CancellationToken cancellationToken) =>
        (context.Request.Method, context.Request.Path.Value) switch
        {
            ("GET", "/v1/status") => WriteAsync(context, StatusView.Of(loop.Status.Current, options), AgentJson.Default.StatusDto),
            ("GET", "/v1/wait") => WaitAsync(context, cancellationToken),
            ("GET", "/v1/endpoints") => EndpointsAsync(context, cancellationToken),
            ("GET", "/v1/policies") => PoliciesAsync(context, cancellationToken),
            ("GET", "/v1/plugins") => WriteAsync(context, PluginsView.Of(plugins.Path, plugins.Reports), AgentJson.Default.PluginsDto),
            ("GET", "/v1/flows") => FlowsAsync(context, cancellationToken),
            ("GET", "/v1/matrix") => MatrixAsync(context, cancellationToken),
            ("GET", "/v1/explain") => ExplainAsync(context, cancellationToken),
            ("POST", "/v1/cleanup") => CleanupAsync(context, cancellationToken),
            ("POST", "/v1/datapath/switch") => SwitchAsync(context, cancellationToken),
            _ => RefuseAsync(context, ExitCode.Usage, [$"the agent does not know {context.Request.Method} {context.Request.Path}: is it of another version?"]),
        };

    private async Task WaitAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var milliseconds = long.Parse(Query(context, "timeoutMs", "10000"), CultureInfo.InvariantCulture);
        var revision = long.Parse(Query(context, "revision", "-1"), CultureInfo.InvariantCulture);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(TimeSpan.FromMilliseconds(Math.Min(milliseconds, LongestWait.TotalMilliseconds)));
        AgentStatus status;
        try
        {
            status = await loop.Status.WaitAsync(
                now => revision < 0 ? now.Ready : now.AppliedRevision >= revision && now.Synced,
                timeout.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            status = loop.Status.Current;
            context.Response.Headers["Portcullis-Timeout"] = "true";
        }

        await WriteAsync(context, StatusView.Of(status, options), AgentJson.Default.StatusDto);
    }

    private async Task EndpointsAsync(HttpContext context, CancellationToken cancellationToken) =>
        await WriteAsync(context, EndpointsView.Of(await loop.GetEndpointsAsync(cancellationToken)), AgentJson.Default.EndpointsDto);

    private async Task PoliciesAsync(HttpContext context, CancellationToken cancellationToken) =>
        await WriteAsync(context, PoliciesView.Of(await loop.GetWorldAsync(cancellationToken)), AgentJson.Default.PoliciesDto);

    private async Task MatrixAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var probes = context.Request.Query["port"].OfType<string>().Select(Judgement.ParsePort).ToList();
        var matrix = Judgement.BuildMatrix(await loop.GetWorldAsync(cancellationToken), await loop.GetPolicyOptionsAsync(cancellationToken), probes);
        await WriteAsync(context, matrix, JudgementJson.Default.MatrixDto);
    }

    private async Task ExplainAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var explanation = Judgement.Explain(
            await loop.GetWorldAsync(cancellationToken),
            await loop.GetPolicyOptionsAsync(cancellationToken),
            Query(context, "from", string.Empty),
            Query(context, "to", string.Empty),
            Judgement.ParsePort(Query(context, "port", string.Empty)));
        await WriteAsync(context, explanation, JudgementJson.Default.ExplainDto);
    }

    private async Task FlowsAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var deniedOnly = Query(context, "denied", "false") is "true";
        var world = await loop.GetWorldAsync(cancellationToken);
        var names = new FlowNames(world);
        context.Response.ContentType = "application/x-ndjson";
        await context.Response.StartAsync(cancellationToken);
        await foreach (var flow in flows.FollowAsync(cancellationToken))
        {
            if (deniedOnly && flow.Verdict == Datapaths.FlowVerdict.Allow)
            {
                continue;
            }

            if (await loop.GetWorldAsync(cancellationToken) is var now && !ReferenceEquals(now, world))
            {
                (world, names) = (now, new FlowNames(now));
            }

            await JsonSerializer.SerializeAsync(context.Response.Body, names.Describe(flow), AgentJson.Default.FlowDto, cancellationToken);
            await context.Response.WriteAsync("\n", cancellationToken);
            await context.Response.Body.FlushAsync(cancellationToken);
        }
    }

    private async Task CleanupAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var removed = await loop.ReleaseAsync(Query(context, "all", "false") is "true", cancellationToken);
        context.Response.OnCompleted(() =>
        {
            lifetime.StopApplication();
            return Task.CompletedTask;
        });
        await WriteAsync(context, new CleanupDto(removed), AgentJson.Default.CleanupDto);
    }

    private async Task SwitchAsync(HttpContext context, CancellationToken cancellationToken)
    {
        await datapaths.SwitchAsync(Query(context, "to", string.Empty), cancellationToken);
        await WriteAsync(context, StatusView.Of(loop.Status.Current, options), AgentJson.Default.StatusDto);
    }

    private static string Query(HttpContext context, string name, string fallback) =>
        context.Request.Query.TryGetValue(name, out var values) && values is [{ Length: > 0 } value, ..] ? value : fallback;

    private static async Task RefuseAsync(HttpContext context, int code, IReadOnlyList<string> errors)
    {
        context.Response.StatusCode = StatusCodes.Status400BadRequest;
        await WriteAsync(context, new ErrorDto(code, errors), AgentJson.Default.ErrorDto);
    }

    private static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type) =>
        context.Response.WriteAsJsonAsync(value, type, "application/json", context.RequestAborted);
}
