using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Portcullis.Host.Api;

/// <summary>Asks a running agent over its socket.</summary>
internal sealed class AgentClient : IDisposable
{
    private readonly string _socket;
    private readonly HttpClient _http;

    /// <summary>Prepares to ask the agent with this socket; nothing is connected yet.</summary>
    public AgentClient(string socket)
    {
        _socket = socket;
        _http = new HttpClient(new SocketsHttpHandler { ConnectCallback = ConnectAsync, UseProxy = false })
        {
            BaseAddress = new Uri("http://agent"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Whether an agent answers at a socket.</summary>
    /// <exception cref="CommandException">The socket is there, but not for this user.</exception>
    public static bool IsRunning(string socket)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(socket));
            return true;
        }
        catch (SocketException exception)
        {
            return IsAbsent(exception) ? false : throw Unusable(socket, exception);
        }
    }

    /// <summary>Asks and reads the whole answer.</summary>
    /// <exception cref="CommandException">No agent answers, or it refuses.</exception>
    public async Task<T> SendAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(method, path, cancellationToken);
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        return (await JsonSerializer.DeserializeAsync(body, type, cancellationToken))!;
    }

    /// <summary>Asks and reads the answer line by line as it comes.</summary>
    /// <exception cref="CommandException">No agent answers, or it refuses.</exception>
    public async IAsyncEnumerable<string> ReadLinesAsync(
        string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var response = await SendAsync(HttpMethod.Get, path, cancellationToken);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            yield return line;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException exception) when (exception.InnerException is SocketException socket)
        {
            throw IsAbsent(socket)
                ? new CommandException(
                    ExitCode.Usage,
                    [$"no agent answers at {_socket}: start one with 'portcullis run' or name its socket with --set api.socket=PATH"])
                : Unusable(_socket, socket);
        }
        catch (HttpRequestException exception)
        {
            throw new CommandException(ExitCode.Failure, [$"the agent at {_socket} broke off: {exception.Message}"]);
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            var text = await response.Content.ReadAsStringAsync(cancellationToken);
            var error = response.Content.Headers.ContentType?.MediaType is "application/json"
                ? JsonSerializer.Deserialize(text, AgentJson.Default.ErrorDto)!
                : new ErrorDto(ExitCode.Failure, [$"the agent at {_socket} answered {(int)response.StatusCode} to {path}"]);
            throw new CommandException(error.ExitCode, error.Errors);
        }
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_socket), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static CommandException Unusable(string socket, SocketException exception) =>
        new(ExitCode.Usage, [$"agent socket {socket}: {exception.Message}: run as the user the agent runs as, or set api.socket"]);

    private static bool IsAbsent(SocketException exception) =>
        exception.SocketErrorCode is SocketError.ConnectionRefused or SocketError.AddressNotAvailable;
}
