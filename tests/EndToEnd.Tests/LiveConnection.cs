using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Demo;
using Portcullis.Net;

namespace Portcullis.EndToEnd.Tests;

/// <summary>A TCP connection on which a number goes there and back without end.</summary>
internal sealed class LiveConnection : IAsyncDisposable
{
    /// <summary>How long one exchange may take before the connection counts as broken.</summary>
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(15);

    private readonly string _name;
    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _exchanging;
    private long _exchanges;
    private long _longestTicks;

    private LiveConnection(string name, Socket socket, TimeSpan pause)
    {
        _name = name;
        _socket = socket;
        _exchanging = Task.Run(() => ExchangeAsync(pause));
    }

    /// <summary>How often the number came back.</summary>
    public long Exchanges => Interlocked.Read(ref _exchanges);

    /// <summary>How long the longest exchange took.</summary>
    public TimeSpan Longest => TimeSpan.FromTicks(Interlocked.Read(ref _longestTicks));

    /// <summary>Whether it goes on.</summary>
    public bool IsAlive => !_exchanging.IsCompleted;

    /// <summary>Opens one to a <see cref="TcpEcho"/>.</summary>
    /// <param name="from">The client.</param>
    /// <param name="to">The server's address.</param>
    /// <param name="port">The server's port.</param>
    /// <param name="pause">Between two exchanges.</param>
    /// <param name="name">What a failure calls it.</param>
    public static async Task<LiveConnection> OpenAsync(NetworkPod from, IpAddress to, int port, TimeSpan pause, string name)
    {
        var server = new IPEndPoint(to.ToIPAddress(), port);
        var socket = from.Network.Run(() => new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });
        using var deadline = new CancellationTokenSource(Stall);
        try
        {
            await socket.ConnectAsync(server, deadline.Token);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            socket.Dispose();
            throw new InvalidOperationException($"{name} ({from.Name} -> {server}) does not open: {exception.Message}", exception);
        }

        return new LiveConnection(name, socket, pause);
    }

    /// <summary>Waits until the number came back once more.</summary>
    /// <exception cref="InvalidOperationException">The connection is broken.</exception>
    public async Task ExchangeOnceMoreAsync()
    {
        var before = Exchanges;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (Exchanges == before && await timer.WaitForNextTickAsync())
        {
            if (_exchanging.IsCompleted)
            {
                await _exchanging;
            }
        }
    }

    /// <summary>Ends it.</summary>
    /// <exception cref="InvalidOperationException">It was broken before.</exception>
    public async Task CloseAsync()
    {
        await _stop.CancelAsync();
        await _exchanging;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _exchanging.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _socket.Dispose();
        _stop.Dispose();
    }

    private async Task ExchangeAsync(TimeSpan pause)
    {
        var sent = new byte[8];
        var received = new byte[8];
        try
        {
            using var timer = new PeriodicTimer(pause);
            do
            {
                BitConverter.TryWriteBytes(sent, Exchanges);
                var started = Stopwatch.GetTimestamp();
                using var stall = new CancellationTokenSource(Stall);
                await _socket.SendAsync(sent, stall.Token);
                for (var length = 0; length < received.Length;)
                {
                    var more = await _socket.ReceiveAsync(received.AsMemory(length), stall.Token);
                    length += more > 0 ? more : throw new IOException("closed by the other end");
                }

                if (!sent.AsSpan().SequenceEqual(received))
                {
                    throw new IOException("another number came back");
                }

                Interlocked.Exchange(ref _longestTicks, Math.Max(_longestTicks, Stopwatch.GetElapsedTime(started).Ticks));
                Interlocked.Increment(ref _exchanges);
            }
            while (!_stop.IsCancellationRequested && await WaitAsync(timer));
        }
        catch (Exception exception) when (exception is SocketException or IOException or OperationCanceledException)
        {
            throw new InvalidOperationException($"{_name} broke after {Exchanges} exchanges: {exception.Message}", exception);
        }
    }

    private async Task<bool> WaitAsync(PeriodicTimer timer)
    {
        try
        {
            return await timer.WaitForNextTickAsync(_stop.Token);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
