using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;

namespace Portcullis.Sources.Kubernetes.Fake;

/// <summary>An API server in this process, for faults that a real one does not produce on demand.</summary>
internal sealed class FakeApiServer : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, FakeKind> _kinds = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pc-fake-");
    private readonly WebApplication _app;

    private FakeApiServer(System.Security.Cryptography.X509Certificates.X509Certificate2? certificate)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(certificate);
            }
        }));
        if (certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        _app = builder.Build();
        _app.Run(HandleAsync);
    }

    /// <summary>The kubeconfig that leads here.</summary>
    public string Kubeconfig => Path.Combine(_folder.FullName, "kubeconfig");

    /// <summary>The file with the token that the kubeconfig names.</summary>
    public string TokenFile => Path.Combine(_folder.FullName, "token");

    /// <summary>The token that is accepted.</summary>
    public string Token { get; set; } = "good";

    /// <summary>Whether the server says that it has started.</summary>
    public bool IsReady { get; set; } = true;

    /// <summary>Answers for paths that are no kind: discovery.</summary>
    public ConcurrentDictionary<string, string> Documents { get; } = new();

    public FakeKind Namespaces => Kind("/api/v1/namespaces");

    public FakeKind Nodes => Kind("/api/v1/nodes");

    public FakeKind Pods => Kind("/api/v1/pods");

    public FakeKind Services => Kind("/api/v1/services");

    public FakeKind EndpointSlices => Kind("/apis/discovery.k8s.io/v1/endpointslices");

    public FakeKind NetworkPolicies => Kind("/apis/networking.k8s.io/v1/networkpolicies");

    public FakeKind ClusterNetworkPolicies => Kind("/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies");

    public static async Task<FakeApiServer> StartAsync(System.Security.Cryptography.X509Certificates.X509Certificate2? certificate = null)
    {
        var server = new FakeApiServer(certificate);
        await server._app.StartAsync(TestContext.Current.CancellationToken);
        var address = server._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        var authority = certificate is null ? string.Empty : $"certificate-authority-data: {Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(certificate.ExportCertificatePem()))}";
        await File.WriteAllTextAsync(server.TokenFile, server.Token);
        await File.WriteAllTextAsync(server.Kubeconfig, $$"""
            apiVersion: v1
            kind: Config
            current-context: fake
            contexts: [{ name: fake, context: { cluster: fake, user: fake } }]
            clusters:
            - name: fake
              cluster:
                server: {{address}}
                {{authority}}
            users: [{ name: fake, user: { tokenFile: token } }]
            """);
        _ = (server.Namespaces, server.Nodes, server.Pods, server.Services, server.EndpointSlices, server.NetworkPolicies);
        return server;
    }

    /// <summary>A kind; it is served from the moment it was asked for here.</summary>
    public FakeKind Kind(string path) => _kinds.GetOrAdd(path, _ => new FakeKind(path));

    /// <summary>Stops serving a kind, as when its definition is deleted.</summary>
    public void RemoveKind(FakeKind kind)
    {
        _kinds.TryRemove(kind.Path, out _);
        kind.CutWatches();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var kind in _kinds.Values)
        {
            kind.CutWatches();
        }

        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    /// <summary>A Status object, as the server answers when it refuses.</summary>
    public static string Status(int code, string reason, string message) =>
        new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["status"] = "Failure", ["code"] = code, ["reason"] = reason, ["message"] = message }.ToJsonString();

    private async Task HandleAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        if (context.Request.Headers.Authorization != $"Bearer {Token}")
        {
            await RefuseAsync(context, 401, "Unauthorized", "Unauthorized");
        }
        else if (path == "/readyz")
        {
            context.Response.StatusCode = IsReady ? 200 : 500;
            await context.Response.WriteAsync("answer");
        }
        else if (_kinds.TryGetValue(path, out var kind))
        {
            await kind.HandleAsync(context);
        }
        else if (Documents.TryGetValue(path, out var document))
        {
            await context.Response.WriteAsync(document);
        }
        else
        {
            await RefuseAsync(context, 404, "NotFound", "the server could not find the requested resource");
        }
    }

    internal static async Task RefuseAsync(HttpContext context, int code, string reason, string message)
    {
        context.Response.StatusCode = code;
        await context.Response.WriteAsync(Status(code, reason, message));
    }
}
