using System.Net;
using System.Net.Sockets;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>Sends datagrams with ascending numbers from 1 on, a few in a millisecond, until it is told to stop.</summary>
internal sealed class NumberedStream : IDisposable
{
    private readonly Thread _thread;
    private readonly CancellationTokenSource _stop = new();
    private int _sent;

    public NumberedStream(Socket from, EndPoint to)
    {
        _thread = new Thread(() =>
        {
            while (!_stop.IsCancellationRequested)
            {
                from.SendTo(BitConverter.GetBytes(_sent + 1), to);
                Interlocked.Increment(ref _sent);
                _stop.Token.WaitHandle.WaitOne(1);
            }
        });
        _thread.Start();
    }

    /// <summary>Lets a socket keep what comes until it is counted, beyond what the machine allows by default.</summary>
    public static void Enlarge(Socket socket)
    {
        const int SocketLevel = 1;
        const int ReceiveBufferForce = 33;
        socket.SetRawSocketOption(SocketLevel, ReceiveBufferForce, BitConverter.GetBytes(1 << 28));
    }

    /// <summary>How many were sent.</summary>
    public int Sent => Volatile.Read(ref _sent);

    /// <summary>How many different numbers wait at a socket, or come within a moment; they are read.</summary>
    public static int Count(Socket socket)
    {
        var seen = new HashSet<int>();
        var buffer = new byte[4];
        while (socket.Poll(TimeSpan.FromMilliseconds(100), SelectMode.SelectRead))
        {
            socket.Receive(buffer);
            seen.Add(BitConverter.ToInt32(buffer));
        }

        return seen.Count;
    }

    /// <summary>Waits until so many were sent.</summary>
    public void WaitFor(int count) =>
        Assert.True(SpinWait.SpinUntil(() => Sent >= count, TimeSpan.FromSeconds(20)), $"{count} datagrams were not sent in 20 s");

    /// <summary>Ends it; how many were sent.</summary>
    public int Stop()
    {
        _stop.Cancel();
        _thread.Join();
        return _sent;
    }

    public void Dispose()
    {
        Stop();
        _stop.Dispose();
    }
}
