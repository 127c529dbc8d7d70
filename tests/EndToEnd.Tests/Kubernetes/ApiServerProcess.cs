using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Portcullis.Host.Native;
using Xunit;

namespace Portcullis.EndToEnd.Tests.Kubernetes;

/// <summary>A real kube-apiserver with its etcd, on the loopback interface of a network namespace, with tokens and RBAC.</summary>
internal sealed class ApiServerProcess : IAsyncDisposable
{
    /// <summary>What it says its own address is: the backend of Service default/kubernetes, port 6443.</summary>
    public const string AdvertisedAddress = "10.213.0.200";

    private const string AdminToken = "admin-token";

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly NetworkNamespace _network;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pc-api-");
    private readonly string _programs;
    private readonly X509Certificate2 _authority;
    private readonly HttpClient _http;
    private string? _certificateHash;
    private Process? _etcd;
    private Process? _server;

    private ApiServerProcess(NetworkNamespace network, string programs)
    {
        _network = network;
        _programs = programs;
        _authority = CreateAuthority();
        _http = CreateClient();
    }

    /// <summary>The kubeconfig of the agent; its token is in a file.</summary>
    public string AgentKubeconfig => PathOf("agent.kubeconfig");

    /// <summary>The file with the agent's token.</summary>
    public string AgentTokenFile => PathOf("agent-token");

    /// <summary>Starts one.</summary>
    /// <param name="network">Where it listens.</param>
    /// <param name="programs">The folder of its programs.</param>
    public static async Task<ApiServerProcess> StartAsync(NetworkNamespace network, string programs)
    {
        var server = new ApiServerProcess(network, programs);
        server.WriteFiles();
        server._etcd = server.Run(
            "etcd", "--data-dir", server.PathOf("etcd"), "--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
            "--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380", "--initial-cluster", "default=http://127.0.0.1:2380");
        await server.StartServerAsync();
        return server;
    }

    /// <summary>Starts the API server, again after <see cref="StopServer"/>.</summary>
    public async Task StartServerAsync()
    {
        _server = Run(
            "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=127.0.0.1", "--secure-port=6443", $"--advertise-address={AdvertisedAddress}",
            $"--tls-cert-file={PathOf("server.crt")}", $"--tls-private-key-file={PathOf("server.key")}", $"--token-auth-file={PathOf("tokens.csv")}",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16", "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://127.0.0.1", $"--service-account-signing-key-file={PathOf("server.key")}", $"--service-account-key-file={PathOf("server.crt")}");
        var started = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await IsReadyAsync())
        {
            Assert.False(_server.HasExited, $"kube-apiserver ended: {LogTail()}");
            Assert.True(Stopwatch.GetElapsedTime(started) < StartLimit, $"kube-apiserver is not ready after {StartLimit.TotalSeconds} s: {LogTail()}");
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Kills the API server, and with it every connection.</summary>
    public void StopServer() => End(_server);

    /// <summary>Makes another token the agent's; the server reads it when it starts.</summary>
    public void SetAgentToken(string token) =>
        File.WriteAllText(PathOf("tokens.csv"), $"{AdminToken},admin,1,system:masters\n{token},portcullis,2\n");

    /// <summary>Gives the server another certificate; it reads it when it starts.</summary>
    public void SetCertificate(bool isExpired)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.Create(_authority, now.AddDays(-2), now.AddDays(isExpired ? -1 : 2), RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(PathOf("server.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(PathOf("server.key"), key.ExportRSAPrivateKeyPem());
        _certificateHash = certificate.GetCertHashString();
    }

    /// <summary>Drops the history of every change so far, so that old watches cannot go on.</summary>
    public async Task CompactAsync()
    {
        using var etcd = new HttpClient(Handler()) { BaseAddress = new Uri("http://127.0.0.1:2379") };
        var range = await PostAsync("/v3/kv/range", new JsonObject { ["key"] = "AA==", ["limit"] = "1" });
        await PostAsync("/v3/kv/compaction", new JsonObject { ["revision"] = range["header"]!["revision"]!.GetValue<string>(), ["physical"] = true });

        async Task<JsonNode> PostAsync(string path, JsonObject body)
        {
            using var response = await etcd.PostAsJsonAsync(path, body);
            response.EnsureSuccessStatusCode();
            return (await response.Content.ReadFromJsonAsync<JsonNode>())!;
        }
    }

    /// <summary>Runs kubectl as an administrator; fails with its message.</summary>
    public async Task KubectlAsync(params string[] arguments)
    {
        var result = await Executable.RunProgramAsync(
            _network, Path.Combine(_programs, "kubectl"), ["--kubeconfig", PathOf("admin.kubeconfig"), "--cache-dir", PathOf("kubectl"), .. arguments]);
        Assert.True(result.ExitCode == 0, $"kubectl {string.Join(' ', arguments)}: {result.Error}{result.Output}");
    }

    /// <summary>Applies manifests by kubectl.</summary>
    public async Task ApplyAsync(string manifests)
    {
        var path = PathOf($"{Guid.NewGuid():N}.yaml");
        await File.WriteAllTextAsync(path, manifests);
        await KubectlAsync("apply", "-f", path);
    }

    /// <summary>Defines a kind that takes any object, and waits until it is served.</summary>
    public async Task DefineAsync(string group, string version, string kind, string plural, string scope)
    {
        await ApplyAsync($$"""
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata:
              name: {{plural}}.{{group}}
              annotations: { api-approved.kubernetes.io: "unapproved, for a test" }
            spec:
              group: {{group}}
              scope: {{scope}}
              names: { plural: {{plural}}, singular: {{kind.ToLowerInvariant()}}, kind: {{kind}}, listKind: {{kind}}List }
              versions:
              - name: {{version}}
                served: true
                storage: true
                schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
            """);
        await KubectlAsync("wait", "--for=condition=established", "--timeout=30s", $"crd/{plural}.{group}");
    }

    /// <summary>Takes a definition away, and with it every object of its kind.</summary>
    public Task UndefineAsync(string group, string plural) => KubectlAsync("delete", "crd", $"{plural}.{group}", "--timeout=60s");

    /// <summary>Sends a request as an administrator; returns when the server has answered.</summary>
    public async Task SendAsync(HttpMethod method, string path, JsonObject? body = null, string type = "application/json")
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, type);
        }

        using var response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{method} {path}: {response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
    }

    /// <summary>Changes a part of an object.</summary>
    public Task PatchAsync(string path, JsonObject patch) => SendAsync(HttpMethod.Patch, path, patch, "application/merge-patch+json");

    public ValueTask DisposeAsync()
    {
        End(_server);
        End(_etcd);
        _http.Dispose();
        _authority.Dispose();
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    private static X509Certificate2 CreateAuthority()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=test authority", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-3), now.AddDays(3));
    }

    private static void End(Process? process)
    {
        if (process is null)
        {
            return;
        }

        if (!process.HasExited)
        {
            process.Kill();
            process.WaitForExit();
        }

        process.Dispose();
    }

    private string PathOf(string name) => Path.Combine(_folder.FullName, name);

    private string LogTail() => string.Join('\n', File.ReadLines(PathOf("kube-apiserver.log")).TakeLast(5));

    private void WriteFiles()
    {
        SetCertificate(isExpired: false);
        File.WriteAllText(AgentTokenFile, "first-token");
        SetAgentToken("first-token");
        File.WriteAllText(PathOf("admin.kubeconfig"), Kubeconfig($"token: {AdminToken}"));
        File.WriteAllText(AgentKubeconfig, Kubeconfig("tokenFile: agent-token"));
    }

    private string Kubeconfig(string user) => $$"""
        apiVersion: v1
        kind: Config
        current-context: test
        contexts: [{ name: test, context: { cluster: test, user: test } }]
        clusters:
        - name: test
          cluster:
            server: https://127.0.0.1:6443
            certificate-authority-data: {{Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(_authority.ExportCertificatePem()))}}
        users: [{ name: test, user: { {{user}} } }]
        """;

    /// <summary>Starts a program in the namespace; it dies with the thread that keeps it.</summary>
    private Process Run(string program, params string[] arguments)
    {
        var log = PathOf($"{program}.log");
        var start = new ProcessStartInfo("/bin/sh", ["-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1", "sh", log, Path.Combine(_programs, program), .. arguments]);
        return _network.Run(() => Process.Start(start)!);
    }

    private HttpClient CreateClient()
    {
        var client = new HttpClient(Handler()) { BaseAddress = new Uri("https://127.0.0.1:6443") };
        client.DefaultRequestHeaders.Authorization = new("Bearer", AdminToken);
        return client;
    }

    private SocketsHttpHandler Handler() => new()
    {
        SslOptions = { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate?.GetCertHashString() == _certificateHash },
        ConnectCallback = async (context, cancellationToken) =>
        {
            var socket = _network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            using var response = await _http.GetAsync("/readyz", TestContext.Current.CancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
