using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.Host.Demo;

/// <summary>How a probe ended.</summary>
public enum ProbeOutcome
{
    /// <summary>There was an answer.</summary>
    Allowed,

    /// <summary>There was none within the time limit: packets were dropped.</summary>
    Denied,

    /// <summary>Something else than a policy failed: connection refused, no route.</summary>
    Failed,
}

/// <summary>An HTTP request over a new TCP connection, as <c>curl --max-time</c> makes it.</summary>
public static class HttpProbe
{
    /// <summary>Requests <c>/</c> from inside a namespace.</summary>
    /// <param name="from">Where the client is.</param>
    /// <param name="to">The server's address.</param>
    /// <param name="port">The server's port.</param>
    /// <param name="limit">When to give up.</param>
    /// <param name="cancellationToken">Ends the probe early.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static async Task<ProbeOutcome> GetAsync(
        NetworkNamespace from, IpAddress to, int port, TimeSpan limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        var server = new IPEndPoint(to.ToIPAddress(), port);
        using var socket = from.Run(() => new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        try
        {
            await socket.ConnectAsync(server, deadline.Token);
            var host = to.Family == IpFamily.IPv6 ? $"[{to}]" : to.ToString();
            await socket.SendAsync(
                System.Text.Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), deadline.Token);
            return await IsSuccessAsync(socket, deadline.Token) ? ProbeOutcome.Allowed : ProbeOutcome.Failed;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ProbeOutcome.Denied;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode == SocketError.TimedOut ? ProbeOutcome.Denied : ProbeOutcome.Failed;
        }
    }

    private static async Task<bool> IsSuccessAsync(Socket socket, CancellationToken cancellationToken)
    {
        var expected = "HTTP/1.1 200 "u8.ToArray();
        var received = 0;
        var buffer = new byte[expected.Length];
        while (received < buffer.Length)
        {
            var length = await socket.ReceiveAsync(buffer.AsMemory(received), cancellationToken);
            if (length == 0)
            {
                return false;
            }

            received += length;
        }

        return buffer.AsSpan().SequenceEqual(expected);
    }
}
