using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Demo;
using Portcullis.Net;

namespace Portcullis.EndToEnd.Tests;

/// <summary>Exchanges that must succeed, one after another without end; those that do not are counted as lost.</summary>
internal sealed class ExchangeStream : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300);

    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private long _done;
    private long _lost;

    private ExchangeStream(string name, Func<Task<bool>> exchange)
    {
        Name = name;
        _running = Task.Run(() => RunAsync(exchange));
    }

    /// <summary>What a failure calls it.</summary>
    public string Name { get; }

    /// <summary>How many succeeded.</summary>
    public long Done => Interlocked.Read(ref _done);

    /// <summary>How many did not.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Datagrams to a <see cref="TestSupport.UdpEcho"/> and back, on one socket.</summary>
    public static ExchangeStream OfDatagrams(NetworkPod from, IpAddress to, int port)
    {
        var server = new IPEndPoint(to.ToIPAddress(), port);
        var socket = from.Network.Run(() => new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp));
        socket.Connect(server);
        return new ExchangeStream($"datagrams to {server}", () => ExchangeAsync(socket));
    }

    /// <summary>The same, on a new socket each time.</summary>
    public static ExchangeStream OfNewDatagrams(NetworkPod from, IpAddress to, int port)
    {
        var server = new IPEndPoint(to.ToIPAddress(), port);
        return new ExchangeStream($"datagrams of new sockets to {server}", async () =>
        {
            using var socket = from.Network.Run(() => new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp));
            socket.Connect(server);
            return await ExchangeAsync(socket);
        });
    }

    /// <summary>New connections to an <see cref="HttpResponder"/>; the kernel sends what opens them again after a second.</summary>
    public static ExchangeStream OfConnections(NetworkPod from, IpAddress to, int port) => new(
        $"connections to {to} port {port}",
        async () => await HttpProbe.GetAsync(from.Network, to, port, TimeSpan.FromSeconds(4), CancellationToken.None) == ProbeOutcome.Allowed);

    /// <summary>Waits until one more succeeded.</summary>
    public async Task ExchangeOnceMoreAsync()
    {
        var before = Done;
        var started = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (Done == before && await timer.WaitForNextTickAsync())
        {
            if (Stopwatch.GetElapsedTime(started) > TimeSpan.FromSeconds(10))
            {
                throw new InvalidOperationException($"{Name}: none succeeded for 10 s");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private static async Task<bool> ExchangeAsync(Socket socket)
    {
        var sent = BitConverter.GetBytes(Stopwatch.GetTimestamp());
        var received = new byte[16];
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            await socket.SendAsync(sent, limit.Token);
            int length;
            do
            {
                // An answer that came too late for an earlier one is of no interest.
                length = await socket.ReceiveAsync(received, limit.Token);
            }
            while (!received.AsSpan(0, length).SequenceEqual(sent));
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task RunAsync(Func<Task<bool>> exchange)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(3));
        while (!_stop.IsCancellationRequested)
        {
            Interlocked.Increment(ref await exchange() ? ref _done : ref _lost);
            await timer.WaitForNextTickAsync(CancellationToken.None);
        }
    }
}
