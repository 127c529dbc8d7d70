using System.Buffers.Binary;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Flows;

/// <summary>What a verdict depends on in a packet.</summary>
/// <param name="Source">The source address.</param>
/// <param name="Destination">The destination address.</param>
/// <param name="Protocol">The transport's protocol number.</param>
/// <param name="SourcePort">The source port; 0 without one.</param>
/// <param name="DestinationPort">The destination port; 0 without one.</param>
internal readonly record struct PacketHeaders(IpAddress Source, IpAddress Destination, byte Protocol, ushort SourcePort, ushort DestinationPort)
{
    private const int HopByHop = 0;
    private const int Routing = 43;
    private const int Fragment = 44;
    private const int DestinationOptions = 60;

    /// <summary>Reads the headers; null when the packet is too short for them.</summary>
    public static PacketHeaders? Read(ReadOnlySpan<byte> packet) => packet switch
    {
        { Length: >= 20 } when packet[0] >> 4 == 4 => ReadV4(packet),
        { Length: >= 40 } when packet[0] >> 4 == 6 => ReadV6(packet),
        _ => null,
    };

    private static PacketHeaders ReadV4(ReadOnlySpan<byte> packet)
    {
        var source = IpAddress.V4(BinaryPrimitives.ReadUInt32BigEndian(packet[12..]));
        var destination = IpAddress.V4(BinaryPrimitives.ReadUInt32BigEndian(packet[16..]));
        return WithPorts(source, destination, packet[9], packet[Math.Min((packet[0] & 0xf) * 4, packet.Length)..]);
    }

    private static PacketHeaders ReadV6(ReadOnlySpan<byte> packet)
    {
        var source = IpAddress.V6(BinaryPrimitives.ReadUInt128BigEndian(packet[8..]));
        var destination = IpAddress.V6(BinaryPrimitives.ReadUInt128BigEndian(packet[24..]));
        var protocol = packet[6];
        var rest = packet[40..];
        while (protocol is HopByHop or Routing or Fragment or DestinationOptions && rest.Length >= 8)
        {
            var length = protocol == Fragment ? 8 : (rest[1] + 1) * 8;
            protocol = rest[0];
            rest = rest[Math.Min(length, rest.Length)..];
        }

        return WithPorts(source, destination, protocol, rest);
    }

    private static PacketHeaders WithPorts(IpAddress source, IpAddress destination, byte protocol, ReadOnlySpan<byte> transport)
    {
        var hasPorts = Enum.IsDefined((IpProtocol)protocol) && transport.Length >= 4;
        return new PacketHeaders(
            source,
            destination,
            protocol,
            hasPorts ? BinaryPrimitives.ReadUInt16BigEndian(transport) : (ushort)0,
            hasPorts ? BinaryPrimitives.ReadUInt16BigEndian(transport[2..]) : (ushort)0);
    }
}
