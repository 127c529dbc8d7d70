using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.TestSupport;

/// <summary>Sends every UDP datagram that reaches a port of a namespace back to where it came from.</summary>
public sealed class UdpEcho : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly Task _echoing;

    private UdpEcho(Socket socket)
    {
        _socket = socket;
        _echoing = EchoAsync();
    }

    /// <summary>Starts echoing, bound to one address so that answers come from it.</summary>
    public static UdpEcho Start(NetworkNamespace network, IpAddress address, int port)
    {
        ArgumentNullException.ThrowIfNull(network);
        var local = new IPEndPoint(address.ToIPAddress(), port);
        return new UdpEcho(network.Run(() =>
        {
            var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(local);
            return socket;
        }));
    }

    /// <summary>Sends datagrams from inside a namespace, one every 100 ms, until one comes back or the time is over.</summary>
    public static async Task<ProbeOutcome> ProbeAsync(
        NetworkNamespace from, IpAddress to, int port, TimeSpan limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        var server = new IPEndPoint(to.ToIPAddress(), port);
        using var socket = from.Run(() => new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp));
        try
        {
            await socket.ConnectAsync(server, deadline.Token);
            var answer = socket.ReceiveAsync(new byte[16], deadline.Token).AsTask();
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
            while (!answer.IsCompleted)
            {
                await socket.SendAsync("echo"u8.ToArray(), deadline.Token);
                await Task.WhenAny(answer, timer.WaitForNextTickAsync(deadline.Token).AsTask());
            }

            await answer;
            return ProbeOutcome.Allowed;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ProbeOutcome.Denied;
        }
        catch (SocketException)
        {
            return ProbeOutcome.Failed;
        }
    }

    /// <summary>Stops echoing.</summary>
    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _echoing;
    }

    private async Task EchoAsync()
    {
        var buffer = new byte[2048];
        var anywhere = new IPEndPoint(_socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        try
        {
            while (true)
            {
                var received = await _socket.ReceiveFromAsync(buffer, anywhere);
                await _socket.SendToAsync(buffer.AsMemory(0, received.ReceivedBytes), received.RemoteEndPoint);
            }
        }
        catch (Exception exception) when (exception is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
        {
            // Disposed.
        }
    }
}
