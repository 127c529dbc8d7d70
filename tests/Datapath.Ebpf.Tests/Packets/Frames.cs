using System.Buffers.Binary;
using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

/// <summary>Builds frames by hand, right ones and wrong ones. Checksums stay 0: no program looks at them.</summary>
internal static class Frames
{
    public const int Syn = 0x02;
    public const int SynAck = 0x12;
    public const int Ack = 0x10;
    public const int Rst = 0x04;

    public const ushort TypeIp4 = 0x0800;
    public const ushort TypeArp = 0x0806;
    public const ushort TypeVlan = 0x8100;
    public const ushort TypeVlanService = 0x88a8;
    public const ushort TypeIp6 = 0x86dd;

    public static byte[] Ethernet(ushort type, params byte[] payload) => [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, .. Be(type), .. payload];

    /// <summary>An IP packet of the addresses' family in a frame.</summary>
    public static byte[] Ip(IpAddress source, IpAddress destination, byte protocol, byte[] payload) =>
        source.Family == IpFamily.IPv4
            ? Ethernet(TypeIp4, Ip4(source, destination, protocol, payload))
            : Ethernet(TypeIp6, Ip6(source, destination, protocol, payload));

    public static byte[] Ip4(
        IpAddress source, IpAddress destination, byte protocol, byte[] payload, byte[]? options = null, int fragmentOffset = 0, bool more = false, ushort id = 1)
    {
        var header = 20 + (options?.Length ?? 0);
        return
        [
            (byte)(0x40 | (header / 4)), 0, .. Be((ushort)(header + payload.Length)), .. Be(id),
            .. Be((ushort)((fragmentOffset / 8) | (more ? 0x2000 : 0))), 64, protocol, 0, 0, .. Bytes(source), .. Bytes(destination), .. options ?? [], .. payload,
        ];
    }

    public static byte[] Ip6(IpAddress source, IpAddress destination, byte next, byte[] payload, byte hopLimit = 64) =>
        [0x60, 0, 0, 0, .. Be((ushort)payload.Length), next, hopLimit, .. Bytes(source), .. Bytes(destination), .. payload];

    public static byte[] Tcp(int source, int destination, int flags, params byte[] data) =>
        [.. Be((ushort)source), .. Be((ushort)destination), 0, 0, 0, 0, 0, 0, 0, 0, 0x50, (byte)flags, 0, 0, 0, 0, 0, 0, .. data];

    public static byte[] Udp(int source, int destination, params byte[] data) =>
        [.. Be((ushort)source), .. Be((ushort)destination), .. Be((ushort)(8 + data.Length)), 0, 0, .. data];

    public static byte[] Sctp(int source, int destination, byte chunk) =>
        [.. Be((ushort)source), .. Be((ushort)destination), 0, 0, 0, 0, 0, 0, 0, 0, chunk, 0, 0, 4];

    public static byte[] Icmp(byte type, ushort id = 0, params byte[] data) => [type, 0, 0, 0, .. Be(id), 0, 0, .. data];

    /// <summary>An IPv6 hop-by-hop, destination options or routing header of 8 bytes.</summary>
    public static byte[] Extension(byte next, byte segmentsLeft = 0) => [next, 0, 0, segmentsLeft, 0, 0, 0, 0];

    public static byte[] Fragment6(byte next, int offset, bool more, uint id) =>
        [next, 0, .. Be((ushort)(offset | (more ? 1 : 0))), (byte)(id >> 24), (byte)(id >> 16), (byte)(id >> 8), (byte)id];

    /// <summary>The frame with VLAN tags in it, the outermost first.</summary>
    public static byte[] Tagged(byte[] frame, params ushort[] types) =>
        [.. frame[..12], .. types.SelectMany(type => (byte[])[.. Be(type), 0, 5]), .. frame[12..]];

    public static byte[] Bytes(IpAddress address)
    {
        var bytes = new byte[address.Width / 8];
        address.WriteNetworkOrder(bytes);
        return bytes;
    }

    private static byte[] Be(ushort value)
    {
        var bytes = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, value);
        return bytes;
    }
}
