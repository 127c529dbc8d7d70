using System.Buffers.Binary;
using Portcullis.Net;

namespace Portcullis.Benchmarks.Packets;

/// <summary>Ethernet frames with a TCP segment.</summary>
internal static class Frames
{
    public const byte Syn = 0x02;
    public const byte Ack = 0x10;

    private const int Ethernet = 14;
    private const int Payload = 40;

    public static byte[] Tcp(IpAddress source, int sourcePort, IpAddress destination, int destinationPort, byte flags)
    {
        var isIp4 = source.Family == IpFamily.IPv4;
        var header = isIp4 ? 20 : 40;
        var frame = new byte[Ethernet + header + Payload];
        var ip = frame.AsSpan(Ethernet);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), isIp4 ? (ushort)0x0800 : (ushort)0x86dd);
        ip[0] = isIp4 ? (byte)0x45 : (byte)0x60;
        BinaryPrimitives.WriteUInt16BigEndian(ip[(isIp4 ? 2 : 4)..], (ushort)(isIp4 ? header + Payload : Payload));
        ip[isIp4 ? 9 : 6] = 6;
        source.WriteNetworkOrder(ip[(isIp4 ? 12 : 8)..]);
        destination.WriteNetworkOrder(ip[(isIp4 ? 16 : 24)..]);
        var tcp = ip[header..];
        BinaryPrimitives.WriteUInt16BigEndian(tcp, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], (ushort)destinationPort);
        tcp[12] = 0x50;
        tcp[13] = flags;
        return frame;
    }
}
