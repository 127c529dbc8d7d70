using System.Buffers.Binary;
using System.Threading.Channels;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.Host.Links;

/// <summary>Keeps a <see cref="LinkTable"/> of the network namespace it was started in current, by rtnetlink notifications.</summary>
internal sealed class LinkWatcher : IDisposable
{
    // More than the kernel ever puts into one datagram.
    private const int BufferBytes = 64 * 1024;
    private const int MaxDatagramsBeforePublish = 256;
    private const int MaxDumpAttempts = 100;

    private readonly NetlinkSocket _socket = new(RouteMessages.Groups);
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly LinkTableBuilder _builder = new();
    private readonly Thread _thread;
    private readonly Channel<LinkTable> _changes = Channel.CreateBounded<LinkTable>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest, SingleWriter = true });

    private volatile LinkTable _current = LinkTable.Empty;
    private uint _sequence;
    private bool _lost;
    private bool _interrupted;
    private bool _routesUncertain;

    private LinkWatcher()
    {
        _thread = new Thread(Watch) { IsBackground = true, Name = "rtnetlink" };
    }

    /// <summary>The newest state. Complete from the moment <see cref="Start"/> returned.</summary>
    public LinkTable Current => _current;

    /// <summary>
    /// The newest state after each change; one that nobody took is replaced by the next. One reader. Completes with an error
    /// when the kernel can no longer be watched, and without one after <see cref="Dispose"/>.
    /// </summary>
    public ChannelReader<LinkTable> Changes => _changes.Reader;

    /// <summary>Reads the present state and starts watching the network namespace of the calling thread.</summary>
    /// <exception cref="NativeException">The kernel refused.</exception>
    public static LinkWatcher Start()
    {
        var watcher = new LinkWatcher();
        try
        {
            watcher.DumpAll();
            watcher._current = watcher._builder.Table;
            watcher._thread.Start();
            return watcher;
        }
        catch
        {
            watcher._socket.Dispose();
            throw;
        }
    }

    /// <summary>Stops watching.</summary>
    public void Dispose()
    {
        if (_thread.IsAlive)
        {
            _socket.WakeUp();
            _thread.Join();
        }

        _socket.Dispose();
    }

    private void Watch()
    {
        try
        {
            while (_socket.Wait())
            {
                Drain();
                if (_lost)
                {
                    DumpAll();
                }
                else if (_routesUncertain)
                {
                    DumpRoutes4();
                }

                Publish();
            }

            _changes.Writer.TryComplete();
        }
        catch (OperationCanceledException)
        {
            _changes.Writer.TryComplete();
        }
        catch (Exception exception)
        {
            _changes.Writer.TryComplete(exception);
        }
    }

    private void Publish()
    {
        if (_builder.Table != _current)
        {
            _current = _builder.Table;
            _changes.Writer.TryWrite(_current);
        }
    }

    private void Drain()
    {
        for (var i = 0; i < MaxDatagramsBeforePublish; i++)
        {
            switch (_socket.Receive(_buffer, out var length))
            {
                case NetlinkReceive.Data:
                    Read(_buffer.AsSpan(0, length));
                    break;
                case NetlinkReceive.Lost:
                    _lost = true;
                    return;
                default:
                    return;
            }
        }
    }

    private void DumpAll()
    {
        for (var attempt = 0; attempt < MaxDumpAttempts; attempt++)
        {
            (_lost, _interrupted, _routesUncertain) = (false, false, false);
            _builder.Clear();
            Dump(RouteMessages.GetLink, RouteMessages.AnyFamily);
            Dump(RouteMessages.GetAddress, RouteMessages.AnyFamily);
            Dump(RouteMessages.GetRoute, RouteMessages.FamilyIPv4);
            Dump(RouteMessages.GetRoute, RouteMessages.FamilyIPv6);
            Dump(RouteMessages.GetNeighbour, RouteMessages.AnyFamily);
            Dump(RouteMessages.GetNeighbour, RouteMessages.FamilyBridge);
            if (!_lost && !_interrupted)
            {
                return;
            }
        }

        throw new IOException($"rtnetlink: interfaces and routes changed during each of {MaxDumpAttempts} attempts to read them");
    }

    // With an IPv4 address the kernel silently drops the routes that name it as their source.
    private void DumpRoutes4()
    {
        (_interrupted, _routesUncertain) = (false, false);
        _builder.RemoveRoutes(IpFamily.IPv4);
        Dump(RouteMessages.GetRoute, RouteMessages.FamilyIPv4);
        if (_lost || _interrupted)
        {
            DumpAll();
        }
    }

    /// <summary>Asks for everything of one kind and reads it to its end, with the notifications that come between.</summary>
    private void Dump(ushort type, byte family)
    {
        _socket.Send(RouteMessages.Dump(type, ++_sequence, family));
        var done = false;
        while (!done)
        {
            switch (_socket.Receive(_buffer, out var length))
            {
                case NetlinkReceive.Data:
                    done = Read(_buffer.AsSpan(0, length));
                    break;
                case NetlinkReceive.Lost:
                    _lost = true;
                    break;
                case NetlinkReceive.Empty when !_socket.Wait():
                    throw new OperationCanceledException("rtnetlink: stopped while reading the interfaces");
                default:
                    break;
            }
        }
    }

    /// <summary>Applies the messages of a datagram; tells whether the dump asked for last ends with it.</summary>
    private bool Read(ReadOnlySpan<byte> datagram)
    {
        while (datagram.Length >= RouteMessages.HeaderBytes)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(datagram);
            if (length < RouteMessages.HeaderBytes || length > datagram.Length)
            {
                throw new InvalidDataException($"rtnetlink: a message of {length} bytes in a datagram of {datagram.Length}");
            }

            var type = BinaryPrimitives.ReadUInt16LittleEndian(datagram[4..]);
            var flags = BinaryPrimitives.ReadUInt16LittleEndian(datagram[6..]);
            var body = datagram[RouteMessages.HeaderBytes..length];
            _interrupted |= (flags & RouteMessages.DumpInterrupted) != 0;
            _routesUncertain |= type == RouteMessages.DelAddress;
            switch (type)
            {
                case RouteMessages.Done:
                    return BinaryPrimitives.ReadUInt32LittleEndian(datagram[8..]) == _sequence;
                case RouteMessages.Error:
                    throw new NativeException("reading interfaces by rtnetlink", -BinaryPrimitives.ReadInt32LittleEndian(body));
                default:
                    RouteMessages.Apply(type, flags, body, _builder);
                    break;
            }

            datagram = datagram[Math.Min(datagram.Length, (length + 3) & ~3)..];
        }

        return false;
    }
}
