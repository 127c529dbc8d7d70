using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;

namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>Tells a user why a request failed: what was tried, what is wrong, what to do. The same failure has the same words each time.</summary>
internal static class Failures
{
    /// <summary>The finding for a failed request.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="server">Whom was asked.</param>
    /// <param name="connection">The connection that was used; null when there was none.</param>
    /// <param name="kind">What was asked for: <c>pods</c>.</param>
    public static Finding Explain(Exception exception, ApiServer server, ApiConnection? connection, string kind)
    {
        var name = connection is null ? "API server" : $"API server {connection.Server.GetLeftPart(UriPartial.Authority)}";
        var message = exception switch
        {
            ApiConfigurationException => exception.Message,
            ApiException refused => Explain(refused, server, connection, kind),
            SilenceException => "did not answer in time; check the network, and what the server is busy with",
            HttpRequestException => ExplainUnreachable(exception, server, connection),
            UnreadableException => $"sends {kind} that cannot be read: {exception.Message}",
            _ => $"the connection broke: {OneLine(exception.Message)}",
        };
        return new Finding(FindingSeverity.Error, default, name, $"{message} (trying again; the last known state stays enforced)");
    }

    private static string Explain(ApiException refused, ApiServer server, ApiConnection? connection, string kind) => refused.Status switch
    {
        HttpStatusCode.Unauthorized when connection?.ExpiredSince is { } expired =>
            $"does not accept the client certificate of {server.Origin}, which expired on {expired:yyyy-MM-dd HH:mm:ss} UTC: renew it",
        HttpStatusCode.Unauthorized =>
            $"does not accept the credentials of {server.Origin} (401 Unauthorized): the token or certificate is wrong or expired, renew it",
        HttpStatusCode.Forbidden =>
            $"does not let this agent read {kind}: grant list and watch in its ClusterRole ({OneLine(refused.Message)})",
        _ => $"answered {(int)refused.Status} to a request for {kind}: {OneLine(refused.Message)}",
    };

    private static string ExplainUnreachable(Exception exception, ApiServer server, ApiConnection? connection)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case AuthenticationException when connection?.CertificateProblem is { } problem:
                    return problem;
                case AuthenticationException:
                    return $"no secure connection: {OneLine(cause.Message)}";
                case SocketException:
                    return $"cannot be reached: {OneLine(cause.Message)}; check that it runs and that the address in {server.Origin} is right";
            }
        }

        return $"cannot be reached: {OneLine(exception.Message)}";
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
