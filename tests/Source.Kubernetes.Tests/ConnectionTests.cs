using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Portcullis.Sources.Kubernetes.Fake;

namespace Portcullis.Sources.Kubernetes;

/// <summary>What keeps the API server from being read: each is told, and tried again.</summary>
public sealed class ConnectionTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pc-kube-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Configuration_NoneAndNoPod_IsTold()
    {
        await using var watch = new SourceWatch(string.Empty);

        await watch.UntilProblemAsync("source.kubernetes.kubeconfig is not set and this is no pod");
    }

    [Fact]
    public async Task Kubeconfig_AppearsLater_IsUsed()
    {
        await using var server = await FakeApiServer.StartAsync();
        var path = Path.Combine(_folder.FullName, "config");
        await using var watch = new SourceWatch(path);
        await watch.UntilProblemAsync($"kubeconfig {path} cannot be used: the file does not exist");

        File.Copy(server.TokenFile, Path.Combine(_folder.FullName, "token"));
        File.Copy(server.Kubeconfig, path);

        await watch.UntilAsync("synced without problems", () => watch.IsSynced && watch.Problems.Count == 0);
    }

    [Fact]
    public async Task Kubeconfig_Broken_IsTold()
    {
        var path = Path.Combine(_folder.FullName, "config");
        await File.WriteAllTextAsync(path, "clusters: [", TestContext.Current.CancellationToken);
        await using var watch = new SourceWatch(path);

        await watch.UntilProblemAsync($"kubeconfig {path} cannot be used");
    }

    [Fact]
    public async Task Server_Unreachable_IsOneProblem()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        await using var watch = new SourceWatch(WriteKubeconfig($"http://127.0.0.1:{port}", "x"));

        await watch.UntilProblemAsync($"API server http://127.0.0.1:{port}: cannot be reached: Connection refused");
        Assert.Single(watch.Problems);
    }

    [Fact]
    public async Task Token_WrongAndThenReplaced_IsToldAndUsed()
    {
        await using var server = await FakeApiServer.StartAsync();
        server.Token = "new";
        await using var watch = new SourceWatch(server.Kubeconfig);
        await watch.UntilProblemAsync($"does not accept the credentials of kubeconfig {server.Kubeconfig} (401 Unauthorized)");

        await File.WriteAllTextAsync(server.TokenFile, "new", TestContext.Current.CancellationToken);

        await watch.UntilAsync("synced without problems", () => watch.IsSynced && watch.Problems.Count == 0);
    }

    [Theory]
    [InlineData(true, "its certificate expired on 20")]
    [InlineData(false, "its certificate is not signed by the authority that is configured")]
    public async Task Certificate_Wrong_IsTold(bool expired, string problem)
    {
        using var certificate = Certify(expired);
        await using var server = await FakeApiServer.StartAsync(certificate);
        if (!expired)
        {
            using var other = Certify(expired: false);
            var text = await File.ReadAllTextAsync(server.Kubeconfig, TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(
                server.Kubeconfig,
                text.Replace(Encode(certificate), Encode(other), StringComparison.Ordinal),
                TestContext.Current.CancellationToken);
        }

        await using var watch = new SourceWatch(server.Kubeconfig);

        await watch.UntilProblemAsync(problem);
    }

    [Fact]
    public async Task Certificate_Sound_IsAccepted()
    {
        using var certificate = Certify(expired: false);
        await using var server = await FakeApiServer.StartAsync(certificate);

        await using var watch = await SourceWatch.SyncedAsync(server.Kubeconfig);

        Assert.Empty(watch.Problems);
    }

    [Fact]
    public async Task ClientCertificate_Expired_IsTold()
    {
        using var certificate = Certify(expired: false);
        await using var server = await FakeApiServer.StartAsync(certificate);
        using var client = Certify(expired: true);
        using var key = client.GetECDsaPrivateKey()!;
        var text = await File.ReadAllTextAsync(server.Kubeconfig, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            server.Kubeconfig,
            text.Replace(
                "tokenFile: token",
                $"client-certificate-data: {Encode(client)}, client-key-data: {Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem()))}",
                StringComparison.Ordinal),
            TestContext.Current.CancellationToken);

        await using var watch = new SourceWatch(server.Kubeconfig);

        await watch.UntilProblemAsync(string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"does not accept the client certificate of kubeconfig {server.Kubeconfig}, which expired on {client.NotAfter.ToUniversalTime():yyyy-MM-dd HH:mm:ss} UTC: renew it"));
    }

    private static string Encode(X509Certificate2 certificate) =>
        Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(certificate.ExportCertificatePem()));

    private static X509Certificate2 Certify(bool expired)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=fake", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-2), expired ? now.AddDays(-1) : now.AddDays(1));
    }

    private string WriteKubeconfig(string server, string token)
    {
        var path = Path.Combine(_folder.FullName, "config");
        File.WriteAllText(path, $$"""
            apiVersion: v1
            kind: Config
            current-context: a
            contexts: [{ name: a, context: { cluster: a, user: a } }]
            clusters: [{ name: a, cluster: { server: "{{server}}" } }]
            users: [{ name: a, user: { token: "{{token}}" } }]
            """);
        return path;
    }
}
