using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Host.Native;

namespace Portcullis.EndToEnd.Tests.Kubernetes;

/// <summary>Answers as the API server of a large cluster would, from objects it makes up as they are asked for.</summary>
internal sealed class ReplayServer : IAsyncDisposable
{
    public const int Namespaces = 2_000;
    public const int Pods = 100_000;
    public const int Policies = 10_000;
    public const int Nodes = 1_000;

    private const int Port = 8001;

    private readonly WebApplication _app;
    private readonly Channel<string> _podFrames = Channel.CreateUnbounded<string>();
    private long _version = 1_000_000;

    private ReplayServer(NetworkNamespace network)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.Services.Configure<SocketTransportOptions>(transport =>
            transport.CreateBoundListenSocket = endpoint => network.Run(() => SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint)));
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, Port));
        _app = builder.Build();
        _app.Run(HandleAsync);
    }

    public static async Task<ReplayServer> StartAsync(NetworkNamespace network)
    {
        var server = new ReplayServer(network);
        await server._app.StartAsync();
        return server;
    }

    public static string Kubeconfig => $$"""
        apiVersion: v1
        kind: Config
        current-context: replay
        contexts: [{ name: replay, context: { cluster: replay, user: replay } }]
        clusters: [{ name: replay, cluster: { server: "http://127.0.0.1:{{Port}}" } }]
        users: [{ name: replay, user: { token: any } }]
        """;

    /// <summary>Replaces a pod by another with its address, as a rolling update does: two events.</summary>
    public void Churn(int pod)
    {
        _podFrames.Writer.TryWrite(Frame("DELETED", PodText(pod)));
        _podFrames.Writer.TryWrite(Frame("ADDED", PodText(pod)));
    }

    public async ValueTask DisposeAsync()
    {
        _podFrames.Writer.TryComplete();
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var (count, text) = context.Request.Path.Value switch
        {
            "/api/v1/namespaces" => (Namespaces, (Func<int, string>)NamespaceText),
            "/api/v1/pods" => (Pods, PodText),
            "/api/v1/nodes" => (Nodes, NodeText),
            "/api/v1/services" => (0, PodText),
            "/apis/networking.k8s.io/v1/networkpolicies" => (Policies, PolicyText),
            _ => (-1, PodText),
        };
        if (count < 0)
        {
            context.Response.StatusCode = context.Request.Path.Value == "/readyz" ? 200 : 404;
        }
        else if (query.ContainsKey("watch"))
        {
            await WatchAsync(context, context.Request.Path.Value == "/api/v1/pods" ? _podFrames.Reader : Channel.CreateUnbounded<string>().Reader);
        }
        else
        {
            await ListAsync(context, count, text);
        }
    }

    private async Task ListAsync(HttpContext context, int count, Func<int, string> text)
    {
        var query = context.Request.Query;
        var start = int.TryParse(query["continue"], CultureInfo.InvariantCulture, out var token) ? token : 0;
        var end = Math.Min(count, start + int.Parse(query["limit"]!, CultureInfo.InvariantCulture));
        var page = new StringBuilder($$"""{"kind":"List","metadata":{"resourceVersion":"{{_version}}","continue":"{{(end < count ? end : string.Empty)}}"},"items":[""");
        for (var i = start; i < end; i++)
        {
            page.Append(i == start ? string.Empty : ",").Append(text(i));
        }

        await context.Response.WriteAsync(page.Append("]}").ToString(), context.RequestAborted);
    }

    private static async Task WatchAsync(HttpContext context, ChannelReader<string> frames)
    {
        try
        {
            await context.Response.StartAsync(context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await foreach (var frame in frames.ReadAllAsync(context.RequestAborted))
            {
                await context.Response.WriteAsync(frame, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // The agent went away.
        }
    }

    private static string Frame(string type, string item) => $"{{\"type\":\"{type}\",\"object\":{item}}}\n";

    private static string NamespaceText(int i) =>
        $$$$"""{"metadata":{"name":"ns-{{{{i}}}}","resourceVersion":"1","labels":{"kubernetes.io/metadata.name":"ns-{{{{i}}}}","team":"team-{{{{i % 50}}}}"}}}""";

    private static string NodeText(int i) =>
        $$$$"""{"metadata":{"name":"node-{{{{i}}}}","resourceVersion":"1"},"status":{"addresses":[{"type":"InternalIP","address":"10.250.{{{{i / 250}}}}.{{{{i % 250}}}}"}]}}""";

    private static string PolicyText(int i) => $$$$"""
        {"metadata":{"namespace":"ns-{{{{i % Namespaces}}}}","name":"policy-{{{{i}}}}","resourceVersion":"1"},
        "spec":{"podSelector":{"matchLabels":{"app":"app-{{{{i / Namespaces}}}}"}},"policyTypes":["Ingress","Egress"],
        "ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"app-{{{{(i / Namespaces) + 1}}}}"}}},{"namespaceSelector":{"matchLabels":{"team":"team-{{{{i % 50}}}}"}}}],"ports":[{"port":8080}]}],
        "egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}}]}]}}
        """.ReplaceLineEndings(string.Empty);

    /// <summary>A pod as large as pods are: most of it is nothing that policy asks for.</summary>
    private string PodText(int i)
    {
        var version = Interlocked.Increment(ref _version);
        var (space, app, node) = (i % Namespaces, i / Namespaces % 5, i % Nodes);
        var address = $"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}";
        return $$$$"""
            {"metadata":{"name":"app-{{{{app}}}}-7d4b9c6f5-{{{{i:x5}}}}","generateName":"app-{{{{app}}}}-7d4b9c6f5-","namespace":"ns-{{{{space}}}}","uid":"0b7c2f3e-1d2c-4b8e-9c3d-{{{{i:x12}}}}",
            "resourceVersion":"{{{{version}}}}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"app-{{{{app}}}}","pod-template-hash":"7d4b9c6f5","version":"v1"},
            "annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"},
            "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-{{{{app}}}}-7d4b9c6f5","uid":"5f0d4b0e-8f0a-4a53-8f5c-3f1d1c9a4a11","controller":true}],
            "managedFields":[{{{{ManagedFields}}}}]},
            "spec":{"nodeName":"node-{{{{node}}}}","containers":[{"name":"app","image":"registry.example.com/team/app:v1.2.3","ports":[{"name":"http","containerPort":8080,"protocol":"TCP"}],
            "resources":{"limits":{"cpu":"1","memory":"512Mi"},"requests":{"cpu":"100m","memory":"128Mi"}},"env":[{{{{Environment}}}}],
            "livenessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10},"imagePullPolicy":"IfNotPresent"}],
            "tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]},
            "status":{"phase":"Running","conditions":[{"type":"Initialized","status":"True"},{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:10Z"}],
            "hostIP":"10.250.{{{{node / 250}}}}.{{{{node % 250}}}}","podIP":"{{{{address}}}}","podIPs":[{"ip":"{{{{address}}}}"}],"startTime":"2026-01-01T00:00:00Z"}}
            """.ReplaceLineEndings(string.Empty);
    }

    private static readonly string ManagedFields = string.Join(',', Enumerable.Repeat(
        """{"manager":"controller","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:app":{},"f:version":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{}}}}}}""",
        4));

    private static readonly string Environment = string.Join(',', Enumerable.Range(0, 10).Select(i => $$"""{"name":"SETTING_{{i}}","value":"a value of some length {{i}}"}"""));
}
