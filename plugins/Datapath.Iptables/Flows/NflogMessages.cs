using System.Buffers.Binary;
using System.Text;

namespace Portcullis.Datapath.Iptables.Flows;

/// <summary>Where netfilter sees a packet; the values are the kernel's.</summary>
internal enum NetfilterHook : byte
{
    /// <summary>On its way in, before routing.</summary>
    Prerouting = 0,

    /// <summary>For this machine.</summary>
    Input = 1,

    /// <summary>Through this machine.</summary>
    Forward = 2,

    /// <summary>From this machine.</summary>
    Output = 3,

    /// <summary>On its way out, after routing.</summary>
    Postrouting = 4,
}

/// <summary>A packet that an NFLOG rule reported.</summary>
/// <param name="Prefix">The rule's prefix.</param>
/// <param name="Hook">The hook of the rule.</param>
/// <param name="InInterface">The index of the interface it came in by; 0: none.</param>
/// <param name="OutInterface">The index of the interface it leaves by; 0: none.</param>
/// <param name="Sequence">Its number in the group; a gap is a loss.</param>
/// <param name="Time">When it came in; null when the kernel did not say.</param>
/// <param name="Payload">The packet from its IP header on, as much as was copied.</param>
internal sealed record NflogPacket(string Prefix, NetfilterHook Hook, int InInterface, int OutInterface, uint Sequence, DateTimeOffset? Time, byte[] Payload);

/// <summary>The messages of nfnetlink_log: netlink header (16 bytes, host order), netfilter header (4), attributes in network order.</summary>
internal static class NflogMessages
{
    /// <summary>The largest datagram the kernel sends.</summary>
    public const int MaxDatagram = 1 << 17;

    private const ushort PacketMessage = 4 << 8;
    private const ushort ConfigMessage = (4 << 8) | 1;
    private const ushort NetlinkError = 2;
    private const ushort RequestAndAcknowledge = 1 | 4;
    private const int HeaderBytes = 20;

    // Enough for headers, options and extension headers included.
    private const int CopiedBytes = 256;

    /// <summary>Subscribes to a group: first bytes of each packet, numbered, delivered within 10 ms.</summary>
    public static byte[] Bind(ushort group)
    {
        var body = new List<byte>();
        Attribute(body, 1, [1]);
        Attribute(body, 2, [0, 0, CopiedBytes >> 8, CopiedBytes & 0xff, 2, 0]);
        Attribute(body, 4, [0, 0, 0, 1]);
        Attribute(body, 6, [0, 1]);
        var message = new byte[HeaderBytes + body.Count];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)message.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), ConfigMessage);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), RequestAndAcknowledge);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(18), group);
        body.CopyTo(message, HeaderBytes);
        return message;
    }

    /// <summary>Reads the packets of a datagram.</summary>
    /// <param name="datagram">What was received.</param>
    /// <param name="packets">Where to put them.</param>
    /// <returns>The error number of a refused request; 0 otherwise.</returns>
    public static int Read(ReadOnlySpan<byte> datagram, List<NflogPacket> packets)
    {
        while (datagram.Length >= HeaderBytes)
        {
            var length = (int)BinaryPrimitives.ReadUInt32LittleEndian(datagram);
            if (length < HeaderBytes || length > datagram.Length)
            {
                break;
            }

            var type = BinaryPrimitives.ReadUInt16LittleEndian(datagram[4..]);
            if (type == NetlinkError && BinaryPrimitives.ReadInt32LittleEndian(datagram[16..]) is not 0 and var error)
            {
                return -error;
            }

            if (type == PacketMessage)
            {
                packets.Add(Packet(datagram[HeaderBytes..length]));
            }

            datagram = datagram[Math.Min((length + 3) & ~3, datagram.Length)..];
        }

        return 0;
    }

    private static NflogPacket Packet(ReadOnlySpan<byte> attributes)
    {
        var packet = new NflogPacket(string.Empty, NetfilterHook.Prerouting, 0, 0, 0, null, []);
        while (attributes.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            if (length < 4 || length > attributes.Length)
            {
                break;
            }

            var value = attributes[4..length];
            packet = (BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]) & 0x3fff) switch
            {
                1 => packet with { Hook = (NetfilterHook)value[2] },
                3 => packet with { Time = TimeOf(value) },
                4 => packet with { InInterface = BinaryPrimitives.ReadInt32BigEndian(value) },
                5 => packet with { OutInterface = BinaryPrimitives.ReadInt32BigEndian(value) },
                9 => packet with { Payload = value.ToArray() },
                10 => packet with { Prefix = Encoding.ASCII.GetString(value.TrimEnd((byte)0)) },
                12 => packet with { Sequence = BinaryPrimitives.ReadUInt32BigEndian(value) },
                _ => packet,
            };
            attributes = attributes[Math.Min((length + 3) & ~3, attributes.Length)..];
        }

        return packet;
    }

    private static DateTimeOffset TimeOf(ReadOnlySpan<byte> value) =>
        DateTimeOffset.FromUnixTimeSeconds(BinaryPrimitives.ReadInt64BigEndian(value)).AddMicroseconds(BinaryPrimitives.ReadInt64BigEndian(value[8..]));

    private static void Attribute(List<byte> body, byte type, ReadOnlySpan<byte> value)
    {
        body.AddRange([(byte)(4 + value.Length), 0, type, 0]);
        body.AddRange(value);
        while (body.Count % 4 != 0)
        {
            body.Add(0);
        }
    }
}
