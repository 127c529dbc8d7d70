using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using k8s;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>One HTTP client with the credentials that were read when it was made.</summary>
internal sealed class ApiConnection : IDisposable
{
    private const int MaxErrorBytes = 64 * 1024;

    /// <summary>A dead connection is noticed within the sum of both, whatever the watches over it wait for.</summary>
    private static readonly TimeSpan PingDelay = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly k8s.Kubernetes _client;

    /// <summary>The client's own, which the client forgets once it is disposed: a request that is late shall find that out by its exception.</summary>
    private readonly HttpClient _http;
    private readonly SslClientAuthenticationOptions _tls = new();
    private readonly TimeProvider _time;

    public ApiConnection(KubernetesClientConfiguration configuration, TimeProvider time)
    {
        _time = time;
        configuration.HttpClientTimeout = Timeout.InfiniteTimeSpan;
        configuration.UserAgent = $"portcullis/{typeof(ApiConnection).Assembly.GetName().Version!.ToString(3)}";
        SocketsHttpHandler? http = null;
        configuration.FirstMessageHandlerSetup = handler =>
        {
            http = handler;
            handler.ConnectTimeout = ConnectTimeout;
            handler.KeepAlivePingDelay = PingDelay;
            handler.KeepAlivePingTimeout = PingTimeout;
            handler.KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests;
            handler.AutomaticDecompression = DecompressionMethods.GZip;
        };
        _client = new k8s.Kubernetes(configuration);
        _http = _client.HttpClient;
        if (http is not null)
        {
            _tls = http.SslOptions;
            NoteCertificateProblems();
        }

        Server = _client.BaseUri;
    }

    public Uri Server { get; }

    /// <summary>What was wrong with the server's certificate, when something was.</summary>
    public string? CertificateProblem { get; private set; }

    /// <summary>When the client certificate ended; null when there is none or it is still valid.</summary>
    public DateTimeOffset? ExpiredSince =>
        _tls.ClientCertificates?.OfType<X509Certificate2>().FirstOrDefault() is { } certificate && IsExpired(certificate)
            ? new DateTimeOffset(certificate.NotAfter.ToUniversalTime())
            : null;

    /// <summary>Sends a GET; the body of the answer is still to be read.</summary>
    /// <exception cref="ApiException">The server refused.</exception>
    /// <exception cref="HttpRequestException">There is no answer.</exception>
    public async Task<HttpResponseMessage> GetAsync(string pathAndQuery, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Server, pathAndQuery))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        request.Headers.Accept.ParseAdd("application/json");
        if (_client.Credentials is { } credentials)
        {
            await credentials.ProcessHttpRequestAsync(request, cancellationToken);
        }

        var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw new ApiException(response.StatusCode, await ReadErrorAsync(response, cancellationToken), RetryAfter(response));
        }
    }

    public void Dispose() => _client.Dispose();

    private TimeSpan? RetryAfter(HttpResponseMessage response) =>
        response.Headers.RetryAfter is { } after ? after.Delta ?? after.Date - _time.GetUtcNow() : null;

    /// <summary>The message of the Status object that the server answers with, or the beginning of whatever it is.</summary>
    private static async Task<string> ReadErrorAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var bytes = new byte[MaxErrorBytes];
        var length = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        try
        {
            if (JsonSerializer.Deserialize(bytes.AsSpan(0, length), ApiJson.Default.ApiStatus)?.Message is { Length: > 0 } message)
            {
                return message;
            }
        }
        catch (JsonException)
        {
            // A proxy's page, then; its status line says what there is to say.
        }

        return response.ReasonPhrase ?? response.StatusCode.ToString();
    }

    private bool IsExpired(X509Certificate2 certificate) => certificate.NotAfter.ToUniversalTime() < _time.GetUtcNow().UtcDateTime;

    private void NoteCertificateProblems()
    {
        var validate = _tls.RemoteCertificateValidationCallback;
        _tls.RemoteCertificateValidationCallback = (sender, certificate, chain, errors) =>
        {
            var isValid = validate?.Invoke(sender, certificate, chain, errors) ?? errors == SslPolicyErrors.None;
            CertificateProblem = isValid ? null : Explain(certificate, errors);
            return isValid;
        };
    }

    private string Explain(X509Certificate? certificate, SslPolicyErrors errors)
    {
        if (certificate is X509Certificate2 known && IsExpired(known))
        {
            return $"its certificate expired on {known.NotAfter.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC: renew it on the server";
        }

        return errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
            ? "its certificate is for another name: correct the address, or the certificate"
            : "its certificate is not signed by the authority that is configured: correct certificate-authority-data, or the server";
    }
}
