using System.Threading.Channels;
using Portcullis.Datapath.Iptables.Native;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Iptables.Flows;

/// <summary>Reads reported packets while somebody watches. Without a watcher the kernel copies nothing.</summary>
/// <param name="group">The NFLOG group.</param>
/// <param name="toEvent">Makes an event of a packet; null when it concerns no endpoint. Called on the log's own thread.</param>
internal sealed class FlowLog(ushort group, Func<NflogPacket, FlowEvent?> toEvent) : IDisposable
{
    private const int QueueLength = 4096;

    private readonly Lock _lock = new();
    private readonly List<Channel<FlowEvent>> _watchers = [];
    private NetfilterSocket? _socket;
    private long _lost;
    private bool _isDisposed;

    /// <summary>Events that were lost.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Adds a watcher. The first one opens the socket, in the network namespace of the calling thread.</summary>
    /// <exception cref="DatapathException">The kernel refused.</exception>
    public ChannelReader<FlowEvent> Watch()
    {
        var channel = Channel.CreateBounded<FlowEvent>(new BoundedChannelOptions(QueueLength) { SingleReader = true, SingleWriter = true });
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_watchers.Count == 0)
            {
                _socket = Open();
                var socket = _socket;
                new Thread(() => Read(socket)) { IsBackground = true, Name = "portcullis-nflog" }.Start();
            }

            _watchers.Add(channel);
        }

        return channel.Reader;
    }

    /// <summary>Removes a watcher. With the last one the socket is closed.</summary>
    public void Unwatch(ChannelReader<FlowEvent> reader)
    {
        lock (_lock)
        {
            _watchers.RemoveAll(channel => channel.Reader == reader);
            if (_watchers.Count == 0)
            {
                _socket?.WakeUp();
                _socket = null;
            }
        }
    }

    /// <summary>Ends all watching.</summary>
    public void Dispose() => End(null);

    private void End(Exception? failure)
    {
        lock (_lock)
        {
            _isDisposed |= failure is null;
            _socket?.WakeUp();
            _socket = null;
            _watchers.ForEach(channel => channel.Writer.TryComplete(failure));
            _watchers.Clear();
        }
    }

    private NetfilterSocket Open()
    {
        var socket = new NetfilterSocket();
        try
        {
            socket.Send(NflogMessages.Bind(group));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private void Read(NetfilterSocket socket)
    {
        using (socket)
        {
            try
            {
                ReadUntilWoken(socket);
            }
            catch (DatapathException failure)
            {
                End(failure);
            }
        }
    }

    private void ReadUntilWoken(NetfilterSocket socket)
    {
        var buffer = new byte[NflogMessages.MaxDatagram];
        var packets = new List<NflogPacket>();
        uint? expected = null;
        while (socket.Wait())
        {
            // A full buffer shows as a gap in the numbers too, with the count.
            if (socket.Receive(buffer, out var length) != NetfilterReceive.Data)
            {
                continue;
            }

            var error = NflogMessages.Read(buffer.AsSpan(0, length), packets);
            if (error != 0)
            {
                throw new DatapathException($"NFLOG group {group} is refused with error {error}: another process reads it; choose another node.instance");
            }

            foreach (var packet in packets)
            {
                Interlocked.Add(ref _lost, packet.Sequence - (expected ?? packet.Sequence));
                expected = packet.Sequence + 1;
                Publish(packet);
            }

            packets.Clear();
        }
    }

    private void Publish(NflogPacket packet)
    {
        if (toEvent(packet) is not { } flow)
        {
            return;
        }

        lock (_lock)
        {
            foreach (var channel in _watchers)
            {
                if (!channel.Writer.TryWrite(flow))
                {
                    Interlocked.Increment(ref _lost);
                }
            }
        }
    }
}
