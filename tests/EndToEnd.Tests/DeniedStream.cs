using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.TestSupport;

namespace Portcullis.EndToEnd.Tests;

/// <summary>Tries without end to reach a pod that must not be reached: TCP connections, and a datagram every millisecond.</summary>
internal sealed class DeniedStream : IAsyncDisposable
{
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _trying;
    private long _tried;
    private long _opened;

    private DeniedStream(NetworkPod from, NetworkPod to, int tcpPort, int udpPort)
    {
        _trying = [.. to.Addresses.SelectMany(address => new[]
        {
            Task.Run(() => ConnectAsync(from, address, tcpPort)),
            Task.Factory.StartNew(() => Send(from, address, udpPort), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default),
        })];
    }

    /// <summary>How many attempts there were.</summary>
    public long Tried => Interlocked.Read(ref _tried);

    /// <summary>How many of them were answered.</summary>
    public long Opened => Interlocked.Read(ref _opened);

    /// <summary>Starts trying.</summary>
    public static DeniedStream Start(NetworkPod from, NetworkPod to, int tcpPort, int udpPort) => new(from, to, tcpPort, udpPort);

    /// <summary>Ends it.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_trying);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task ConnectAsync(NetworkPod from, IpAddress address, int port)
    {
        while (!_stop.IsCancellationRequested)
        {
            Count(await TcpProbe.ConnectAsync(from.Network, address, port, ConnectLimit, CancellationToken.None) != ProbeOutcome.Denied);
        }
    }

    private void Send(NetworkPod from, IpAddress address, int port)
    {
        var server = new IPEndPoint(address.ToIPAddress(), port);
        using var socket = from.Network.Run(() => new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp));
        socket.Connect(server);
        var buffer = new byte[16];
        while (!_stop.IsCancellationRequested)
        {
            socket.Send("no"u8);
            var answered = socket.Poll(1000, SelectMode.SelectRead);
            if (answered)
            {
                socket.Receive(buffer);
            }

            Count(answered);
        }
    }

    private void Count(bool opened)
    {
        Interlocked.Increment(ref _tried);
        if (opened)
        {
            Interlocked.Increment(ref _opened);
        }
    }
}
