using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.TestSupport;

/// <summary>Whether a TCP connection comes about.</summary>
public static class TcpProbe
{
    /// <summary>Connects from inside a namespace and closes again.</summary>
    public static async Task<ProbeOutcome> ConnectAsync(
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
            return ProbeOutcome.Allowed;
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
}
