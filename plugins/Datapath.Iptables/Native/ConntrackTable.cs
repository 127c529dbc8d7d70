using System.Buffers.Binary;
using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Native;

/// <summary>A TCP connection or UDP exchange that conntrack knows, as seen by whoever it takes for the opener.</summary>
internal readonly record struct TrackedFlow(byte Protocol, IpAddress Source, ushort SourcePort, IpAddress Destination, ushort DestinationPort)
{
    /// <summary>The same flow, opened by the other end.</summary>
    public TrackedFlow Reversed => new(Protocol, Destination, DestinationPort, Source, SourcePort);
}

/// <summary>
/// The kernel's table of flows, in the network namespace of the thread that opens it. Messages of nfnetlink_conntrack: netlink
/// header (16 bytes, host order), netfilter header (4), nested attributes in network order.
/// </summary>
internal sealed class ConntrackTable : IDisposable
{
    private const int MaxDatagram = 1 << 17;
    private const int HeaderBytes = 20;
    private const ushort NewMessage = 1 << 8;
    private const ushort GetMessage = (1 << 8) | 1;
    private const ushort DeleteMessage = (1 << 8) | 2;
    private const ushort ErrorMessage = 2;
    private const ushort DoneMessage = 3;
    private const ushort Request = 1;
    private const ushort Acknowledge = 4;
    private const ushort Dump = 0x300;
    private const ushort Exclusive = 0x200;
    private const ushort Create = 0x400;
    private const int NoSuchEntry = -2;
    private const int Exists = -17;

    private const int TupleOriginal = 1;
    private const int TupleReply = 2;
    private const int Status = 3;
    private const int ProtocolInfo = 4;
    private const int Timeout = 7;
    private const uint SeenReply = 2;
    private const uint Assured = 4;
    private const uint Confirmed = 8;
    private const byte TcpEstablished = 3;
    private const byte BeLiberal = 8;

    // A packet between removing an entry and making the next makes one of its own.
    private const int Attempts = 5;

    private readonly NetfilterSocket _socket = new();
    private readonly byte[] _buffer = new byte[MaxDatagram];

    /// <summary>The flows that packets of both ends have been seen of, with the seconds they are remembered; without translated ones.</summary>
    /// <exception cref="DatapathException">The kernel refused.</exception>
    public Dictionary<TrackedFlow, uint> List()
    {
        var flows = new Dictionary<TrackedFlow, uint>();
        _socket.Send(Message(GetMessage, Request | Dump, 0, []));
        while (true)
        {
            foreach (var (type, body) in Receive())
            {
                if (type is DoneMessage or ErrorMessage)
                {
                    return type == DoneMessage ? flows : throw Refused("listing", BinaryPrimitives.ReadInt32LittleEndian(body));
                }

                if (Read(body.AsSpan(4)) is var (flow, timeout))
                {
                    flows[flow] = timeout;
                }
            }
        }
    }

    /// <summary>Makes the other end the opener of a flow. A flow that is gone stays gone.</summary>
    /// <exception cref="DatapathException">The kernel refused.</exception>
    public void TurnAround(TrackedFlow flow, uint timeout)
    {
        var family = (byte)(flow.Source.Family == IpFamily.IPv4 ? 2 : 10);
        var made = Exists;
        for (var attempt = 0; made == Exists && attempt < Attempts; attempt++)
        {
            // Either way around: the entry that a packet made meanwhile may be right, but is as well made anew.
            var removed = Ask(Message(DeleteMessage, Request | Acknowledge, family, Tuple(TupleOriginal, flow)));
            if (removed is not 0 and not NoSuchEntry)
            {
                throw Refused("removing", removed);
            }

            made = Ask(Message(NewMessage, Request | Acknowledge | Create | Exclusive, family, Entry(flow.Reversed, timeout)));
        }

        if (made != 0)
        {
            throw Refused("making", made);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private int Ask(byte[] message)
    {
        _socket.Send(message);
        while (true)
        {
            foreach (var (type, body) in Receive())
            {
                if (type == ErrorMessage)
                {
                    return BinaryPrimitives.ReadInt32LittleEndian(body);
                }
            }
        }
    }

    private List<(ushort Type, byte[] Body)> Receive()
    {
        _socket.Wait();
        var messages = new List<(ushort Type, byte[] Body)>();
        if (_socket.Receive(_buffer, out var received) == NetfilterReceive.Lost)
        {
            throw new DatapathException("reading the kernel's flows: it sent more than could be read", isTransient: true);
        }

        var data = _buffer.AsSpan(0, received);
        while (data.Length >= 16)
        {
            var length = (int)BinaryPrimitives.ReadUInt32LittleEndian(data);
            if (length < 16 || length > data.Length)
            {
                break;
            }

            messages.Add((BinaryPrimitives.ReadUInt16LittleEndian(data[4..]), data[16..length].ToArray()));
            data = data[Math.Min((length + 3) & ~3, data.Length)..];
        }

        return messages;
    }

    private static (TrackedFlow Flow, uint Timeout)? Read(ReadOnlySpan<byte> entry)
    {
        var status = Attribute(entry, Status);
        if (status.Length != 4 || (BinaryPrimitives.ReadUInt32BigEndian(status) & SeenReply) == 0
            || ReadTuple(Attribute(entry, TupleOriginal)) is not { } flow
            || ReadTuple(Attribute(entry, TupleReply)) != flow.Reversed
            || (flow.Protocol == (byte)IpProtocol.Tcp && Attribute(Attribute(Attribute(entry, ProtocolInfo), 1), 1) is not [TcpEstablished]))
        {
            return null;
        }

        var timeout = Attribute(entry, Timeout);
        return timeout.Length == 4 ? (flow, BinaryPrimitives.ReadUInt32BigEndian(timeout)) : null;
    }

    private static TrackedFlow? ReadTuple(ReadOnlySpan<byte> tuple)
    {
        var addresses = Attribute(tuple, 1);
        var transport = Attribute(tuple, 2);
        return Attribute(transport, 1) is [(byte)IpProtocol.Tcp or (byte)IpProtocol.Udp] protocol
            && ReadAddress(addresses, 1, 3) is { } source
            && ReadAddress(addresses, 2, 4) is { } destination
            && Attribute(transport, 2) is { Length: 2 } from
            && Attribute(transport, 3) is { Length: 2 } to
                ? new TrackedFlow(protocol[0], source, BinaryPrimitives.ReadUInt16BigEndian(from), destination, BinaryPrimitives.ReadUInt16BigEndian(to))
                : null;
    }

    private static IpAddress? ReadAddress(ReadOnlySpan<byte> addresses, int v4, int v6)
    {
        if (Attribute(addresses, v4) is { Length: 4 } four)
        {
            return IpAddress.V4(BinaryPrimitives.ReadUInt32BigEndian(four));
        }

        return Attribute(addresses, v6) is { Length: 16 } sixteen ? IpAddress.V6(BinaryPrimitives.ReadUInt128BigEndian(sixteen)) : null;
    }

    private static ReadOnlySpan<byte> Attribute(ReadOnlySpan<byte> attributes, int type)
    {
        while (attributes.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            if (length < 4 || length > attributes.Length)
            {
                break;
            }

            if ((BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]) & 0x3fff) == type)
            {
                return attributes[4..length];
            }

            attributes = attributes[Math.Min((length + 3) & ~3, attributes.Length)..];
        }

        return [];
    }

    private static byte[] Message(ushort type, int flags, byte family, byte[] body)
    {
        var message = new byte[HeaderBytes + body.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)message.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), type);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), (ushort)flags);
        message[16] = family;
        body.CopyTo(message, HeaderBytes);
        return message;
    }

    private static byte[] Entry(TrackedFlow flow, uint timeout)
    {
        // Conntrack has not seen the connection's windows: it takes any.
        byte[] tcp = [.. Value(1, [TcpEstablished]), .. Value(4, [BeLiberal, BeLiberal]), .. Value(5, [BeLiberal, BeLiberal])];
        return
        [
            .. Tuple(TupleOriginal, flow),
            .. Tuple(TupleReply, flow.Reversed),
            .. Value(Status, Number(Confirmed | Assured | SeenReply)),
            .. Value(Timeout, Number(timeout)),
            .. flow.Protocol == (byte)IpProtocol.Tcp ? Nest(ProtocolInfo, Nest(1, tcp)) : [],
        ];
    }

    private static byte[] Tuple(int type, TrackedFlow flow)
    {
        var (source, destination) = flow.Source.Family == IpFamily.IPv4 ? (1, 2) : (3, 4);
        byte[] addresses = [.. Value(source, Bytes(flow.Source)), .. Value(destination, Bytes(flow.Destination))];
        byte[] transport = [.. Value(1, [flow.Protocol]), .. Value(2, Number(flow.SourcePort)), .. Value(3, Number(flow.DestinationPort))];
        return Nest(type, [.. Nest(1, addresses), .. Nest(2, transport)]);
    }

    private static byte[] Bytes(IpAddress address)
    {
        var bytes = new byte[16];
        return bytes[..address.WriteNetworkOrder(bytes)];
    }

    private static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] Number(ushort value) => [(byte)(value >> 8), (byte)value];

    private static byte[] Nest(int type, byte[] content) => Value(type | 0x8000, content);

    private static byte[] Value(int type, byte[] content)
    {
        var attribute = new byte[(4 + content.Length + 3) & ~3];
        BinaryPrimitives.WriteUInt16LittleEndian(attribute, (ushort)(4 + content.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(attribute.AsSpan(2), (ushort)type);
        content.CopyTo(attribute, 4);
        return attribute;
    }

    private static DatapathException Refused(string operation, int error) =>
        new($"{operation} flows of the kernel: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(-error)}");
}
