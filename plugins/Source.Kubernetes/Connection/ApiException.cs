using System.Net;

namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>The API server refused a request.</summary>
internal sealed class ApiException(HttpStatusCode status, string message, TimeSpan? retryAfter = null) : Exception(message)
{
    public HttpStatusCode Status { get; } = status;

    /// <summary>Whether it came in the middle of a watch: then the state is unknown and has to be listed anew.</summary>
    public bool IsInStream { get; init; }

    /// <summary>How long the server asks to wait; null when it does not.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
