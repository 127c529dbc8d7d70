using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Native;

namespace Portcullis.Host.Demo;

/// <summary>Answers every HTTP request on a port of a namespace, by either family, with 200.</summary>
public sealed class HttpResponder : IAsyncDisposable
{
    private static readonly byte[] Response = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"u8.ToArray();

    private readonly Socket _listener;
    private readonly Task _accepting;

    private HttpResponder(Socket listener)
    {
        _listener = listener;
        _accepting = AcceptAsync();
    }

    /// <summary>Starts answering.</summary>
    /// <exception cref="SocketException">The port is taken.</exception>
    public static HttpResponder Start(NetworkNamespace network, int port)
    {
        ArgumentNullException.ThrowIfNull(network);
        return new HttpResponder(network.Run(() =>
        {
            var listener = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
            listener.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
            listener.Listen();
            return listener;
        }));
    }

    /// <summary>Stops answering.</summary>
    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                _ = AnswerAsync(await _listener.AcceptAsync());
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
            {
                return;
            }
        }
    }

    private static async Task AnswerAsync(Socket connection)
    {
        using (connection)
        {
            try
            {
                var request = new byte[4096];
                while (await connection.ReceiveAsync(request) is > 0 and var length && !request.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
                {
                }

                await connection.SendAsync(Response);
                connection.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // The client is gone or cut off: it notices by itself.
            }
        }
    }
}
