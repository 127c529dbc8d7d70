using System.Buffers.Binary;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Tests.Fixtures;

/// <summary>The first packet of a flow, with a number in it that comes through translation.</summary>
/// <param name="Source">The sender.</param>
/// <param name="Destination">The receiver.</param>
/// <param name="Protocol">The protocol.</param>
/// <param name="SourcePort">The source port.</param>
/// <param name="Port">The destination port.</param>
/// <param name="Number">The number, of this packet alone.</param>
internal readonly record struct FixturePacket(
    IpAddress Source, IpAddress Destination, IpProtocol Protocol, ushort SourcePort, ushort Port, uint Number)
{
    /// <summary>The address of every router's interface.</summary>
    public const string RouterMac = "ee:ee:ee:ee:ee:ee";

    private const int Ethernet = 14;
    private const byte HopLimit = 64;

    /// <summary>The frame as its sender would send it. The checksum of the transport stays 0: nobody on the way looks at it.</summary>
    public byte[] ToFrame()
    {
        var isIPv4 = Source.Family == IpFamily.IPv4;
        var (header, payload) = (isIPv4 ? 20 : 40, Protocol switch { IpProtocol.Tcp => 20, IpProtocol.Udp => 12, _ => 32 });
        var frame = new byte[Ethernet + header + payload];
        frame.AsSpan(0, 6).Fill(0xee);
        frame[11] = 1;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(isIPv4 ? 0x0800 : 0x86dd));
        var ip = frame.AsSpan(Ethernet);
        if (isIPv4)
        {
            WriteIPv4(ip, header + payload);
        }
        else
        {
            ip[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)payload);
            ip[6] = (byte)Protocol;
            ip[7] = HopLimit;
            Source.WriteNetworkOrder(ip[8..24]);
            Destination.WriteNetworkOrder(ip[24..40]);
        }

        WriteTransport(ip[header..]);
        return frame;
    }

    /// <summary>The number in a frame; null when it is none of these packets.</summary>
    public static uint? NumberIn(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < Ethernet + 20)
        {
            return null;
        }

        var ip = frame[Ethernet..];
        var (header, protocol) = ip[0] >> 4 == 4 ? (20, ip[9]) : (40, ip[6]);
        int? offset = (IpProtocol)protocol switch { IpProtocol.Tcp => 4, IpProtocol.Udp => 8, IpProtocol.Sctp => 16, _ => null };
        return offset is { } at && ip.Length >= header + at + 4 ? BinaryPrimitives.ReadUInt32BigEndian(ip[(header + at)..]) : null;
    }

    private void WriteIPv4(Span<byte> ip, int length)
    {
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)length);
        ip[8] = HopLimit;
        ip[9] = (byte)Protocol;
        Source.WriteNetworkOrder(ip[12..16]);
        Destination.WriteNetworkOrder(ip[16..20]);
        var sum = 0u;
        for (var at = 0; at < 20; at += 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(ip[at..]);
        }

        sum = (sum & 0xffff) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)~((sum & 0xffff) + (sum >> 16)));
    }

    private void WriteTransport(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt16BigEndian(to, SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(to[2..], Port);
        switch (Protocol)
        {
            case IpProtocol.Tcp:
                BinaryPrimitives.WriteUInt32BigEndian(to[4..], Number);
                (to[12], to[13]) = (0x50, 0x02);
                break;
            case IpProtocol.Udp:
                BinaryPrimitives.WriteUInt16BigEndian(to[4..], 12);
                BinaryPrimitives.WriteUInt32BigEndian(to[8..], Number);
                break;
            default:
                // An INIT chunk; its tag is the number.
                (to[12], to[15], to[27], to[25]) = (1, 20, 1, 1);
                BinaryPrimitives.WriteUInt32BigEndian(to[16..], Number);
                break;
        }
    }
}
