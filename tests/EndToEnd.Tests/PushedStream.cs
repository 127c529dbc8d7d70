using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Demo;
using Portcullis.Net;

namespace Portcullis.EndToEnd.Tests;

/// <summary>A TCP connection on which the server sends a byte now and then, and the client nothing but acknowledgements.</summary>
internal sealed class PushedStream : IAsyncDisposable
{
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(15);

    private readonly Socket _client;
    private readonly Socket _server;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _tasks;
    private long _longestTicks;

    private PushedStream(Socket client, Socket server, TimeSpan pause)
    {
        _client = client;
        _server = server;
        _tasks = [Task.Run(() => PushAsync(pause)), Task.Run(ReadAsync)];
    }

    /// <summary>The longest time without a byte so far.</summary>
    public TimeSpan Longest => TimeSpan.FromTicks(Interlocked.Read(ref _longestTicks));

    /// <summary>Opens one.</summary>
    public static async Task<PushedStream> OpenAsync(NetworkPod client, NetworkPod server, IpFamily family, int port, TimeSpan pause)
    {
        var address = new IPEndPoint(server.Address(family).ToIPAddress(), port);
        using var listener = server.Network.Run(() => new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(address);
        listener.Listen();
        using var deadline = new CancellationTokenSource(Stall);
        var accepting = listener.AcceptAsync(deadline.Token);
        var socket = client.Network.Run(() => new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        await socket.ConnectAsync(address, deadline.Token);
        var accepted = await accepting;
        accepted.NoDelay = true;
        return new PushedStream(socket, accepted, pause);
    }

    /// <summary>Ends it.</summary>
    /// <exception cref="InvalidOperationException">It stalled or broke before.</exception>
    public async Task CloseAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_tasks);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
        _server.Dispose();
        _stop.Dispose();
    }

    private async Task PushAsync(TimeSpan pause)
    {
        using var timer = new PeriodicTimer(pause);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                await _server.SendAsync("x"u8.ToArray(), _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Ended.
        }
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[64];
        while (!_stop.IsCancellationRequested)
        {
            using var stall = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            stall.CancelAfter(Stall);
            var started = Stopwatch.GetTimestamp();
            try
            {
                if (await _client.ReceiveAsync(buffer, stall.Token) == 0)
                {
                    throw new InvalidOperationException("the server closed the pushed stream");
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (OperationCanceledException exception)
            {
                throw new InvalidOperationException($"nothing more came by the pushed stream for {Stall.TotalSeconds} s", exception);
            }

            Interlocked.Exchange(ref _longestTicks, Math.Max(_longestTicks, Stopwatch.GetElapsedTime(started).Ticks));
        }
    }
}
