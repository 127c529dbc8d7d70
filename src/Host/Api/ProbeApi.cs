using Microsoft.AspNetCore.Http;
using Portcullis.Host.Enforcement;
using Portcullis.Host.Metrics;

namespace Portcullis.Host.Api;

/// <summary>Answers /metrics, /livez and /readyz, and nothing else: anybody on the network may ask.</summary>
internal sealed class ProbeApi(EnforcementLoop loop, FlowHub flows, AgentMetrics metrics)
{
    /// <summary>A single apply that takes longer means that the loop is stuck.</summary>
    private static readonly TimeSpan LongestStep = TimeSpan.FromMinutes(1);

    /// <summary>Answers one request.</summary>
    public Task HandleAsync(HttpContext context)
    {
        var status = loop.Status.Current;
        return (context.Request.Method, context.Request.Path.Value) switch
        {
            ("GET", "/metrics") => WriteAsync(
                context,
                StatusCodes.Status200OK,
                "text/plain; version=0.0.4; charset=utf-8",
                MetricsText.Write(status, loop.Datapath.GetStatus(), metrics, flows.Lost)),
            ("GET", "/livez") => loop.BusyFor < LongestStep
                ? AnswerAsync(context, StatusCodes.Status200OK, "ok")
                : AnswerAsync(context, StatusCodes.Status503ServiceUnavailable, $"the enforcement loop has been busy for {loop.BusyFor.TotalSeconds:F0} s"),
            ("GET", "/readyz") => status.Ready
                ? AnswerAsync(context, StatusCodes.Status200OK, "ok")
                : AnswerAsync(context, StatusCodes.Status503ServiceUnavailable, NotReady(status)),
            _ => AnswerAsync(context, StatusCodes.Status404NotFound, "there is /metrics, /livez and /readyz"),
        };
    }

    private static string NotReady(AgentStatus status) =>
        status.Released ? "released" : !status.Synced ? "the source has not synced yet" : "the last apply did not succeed";

    private static Task AnswerAsync(HttpContext context, int code, string text) => WriteAsync(context, code, "text/plain; charset=utf-8", text + "\n");

    private static Task WriteAsync(HttpContext context, int code, string type, string text)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = type;
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
