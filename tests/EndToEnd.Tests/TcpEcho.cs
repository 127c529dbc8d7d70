using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Native;

namespace Portcullis.EndToEnd.Tests;

/// <summary>Sends back what TCP connections to a port of a namespace bring, in both families.</summary>
internal sealed class TcpEcho : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly Task _accepting;
    private readonly List<Task> _echoing = [];
    private readonly CancellationTokenSource _stop = new();

    private TcpEcho(Socket listener)
    {
        _listener = listener;
        _accepting = AcceptAsync();
    }

    /// <summary>Starts listening.</summary>
    public static TcpEcho Start(NetworkNamespace network, int port) => new(network.Run(() =>
    {
        var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        socket.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
        socket.Listen();
        return socket;
    }));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        await Task.WhenAll(_echoing);
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var accepted = await _listener.AcceptAsync(_stop.Token);
                accepted.NoDelay = true;
                _echoing.Add(EchoAsync(accepted));
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private async Task EchoAsync(Socket socket)
    {
        using (socket)
        {
            var buffer = new byte[64];
            try
            {
                while (await socket.ReceiveAsync(buffer, _stop.Token) is > 0 and var length)
                {
                    await socket.SendAsync(buffer.AsMemory(0, length), _stop.Token);
                }
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException)
            {
                // Disposed, or the other end is gone: that is for the other end to report.
            }
        }
    }
}
