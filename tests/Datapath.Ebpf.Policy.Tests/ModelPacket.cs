using System.Buffers.Binary;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf.Policy.Tests;

/// <summary>A frame as the packet model reads it: from the RFCs and what docs say of fragments and headers, not from the programs.</summary>
internal sealed record ModelPacket
{
    private const int MaxExtensionHeaders = 8;
    private const int EthernetLength = 14;

    /// <summary>Why it cannot be read; null: it can.</summary>
    public PcReason? Defect { get; private init; }

    public bool IsTagged { get; private init; }

    public bool IsArp { get; private init; }

    public bool IsIp { get; private init; }

    public IpFamily Family { get; private init; }

    public IpAddress Source { get; private init; }

    public IpAddress Destination { get; private init; }

    public byte Protocol { get; private init; }

    public ushort SourcePort { get; private init; }

    public ushort DestinationPort { get; private init; }

    /// <summary>May be the first packet of a flow.</summary>
    public bool Opens { get; private init; }

    /// <summary>May be a reply.</summary>
    public bool Replies { get; private init; }

    /// <summary>Neighbour discovery or multicast listener discovery.</summary>
    public bool IsNeighbour { get; private init; }

    /// <summary>Of more than one fragment the one with this offset; null: not fragmented.</summary>
    public int? FragmentOffset { get; private init; }

    public uint FragmentId { get; private init; }

    /// <summary>The answer to the packet that an ICMP error quotes; null: no error, or nothing that can be answered.</summary>
    public ModelPacket? Answer { get; private init; }

    public bool IsTcp => Protocol == 6;

    /// <summary>Reads a frame.</summary>
    public static ModelPacket Read(byte[] frame)
    {
        var offset = EthernetLength;
        var isTagged = false;
        var type = Word(frame, 12);
        for (var tags = 0; tags < 2 && type is 0x8100 or 0x88a8; tags++)
        {
            isTagged = true;
            if (frame.Length < offset + 4)
            {
                return new ModelPacket { Defect = PcReason.Truncated };
            }

            type = Word(frame, offset + 2);
            offset += 4;
        }

        return type switch
        {
            0x0800 => ReadIp4(frame, offset) with { IsTagged = isTagged },
            0x86dd => ReadIp6(frame, offset) with { IsTagged = isTagged },
            _ => new ModelPacket { IsTagged = isTagged, IsArp = type == 0x0806 && !isTagged },
        };
    }

    private static ModelPacket ReadIp4(byte[] frame, int start)
    {
        if (frame.Length < start + 20)
        {
            return Bad(PcReason.Truncated);
        }

        var header = (frame[start] & 15) * 4;
        var total = Word(frame, start + 2);
        if (frame[start] >> 4 != 4 || header < 20 || total < header)
        {
            return Bad(PcReason.Malformed);
        }

        if (frame.Length < start + total)
        {
            return Bad(PcReason.Truncated);
        }

        var fragment = Word(frame, start + 6);
        var offset = (fragment & 0x1fff) * 8;
        var packet = new ModelPacket
        {
            IsIp = true,
            Family = IpFamily.IPv4,
            Protocol = frame[start + 9],
            Source = Ip4(frame, start + 12),
            Destination = Ip4(frame, start + 16),
            FragmentOffset = (fragment & 0x3fff) != 0 ? offset : null,
            FragmentId = Word(frame, start + 4),
        };
        return offset > 0 ? packet : packet.ReadTransport(frame[..(start + total)], start + header, hopLimit: 0);
    }

    private static ModelPacket ReadIp6(byte[] frame, int start)
    {
        if (frame.Length < start + 40)
        {
            return Bad(PcReason.Truncated);
        }

        if (frame[start] >> 4 != 6)
        {
            return Bad(PcReason.Malformed);
        }

        var end = start + 40 + Word(frame, start + 4);
        if (frame.Length < end)
        {
            return Bad(PcReason.Truncated);
        }

        var packet = new ModelPacket { IsIp = true, Family = IpFamily.IPv6, Source = Ip6(frame, start + 8), Destination = Ip6(frame, start + 24) };
        var (at, next) = (start + 40, frame[start + 6]);
        for (var walked = 0; next is 0 or 43 or 44 or 60; walked++)
        {
            if (end < at + 8)
            {
                return Bad(PcReason.Truncated);
            }

            switch (next)
            {
                case 0 when walked > 0:
                case 44 when packet.FragmentOffset is not null:
                    return Bad(PcReason.Malformed);
                case 43 when frame[at + 3] > 0:
                    return Bad(PcReason.ExtensionHeaders);
                case 44:
                    var fragment = Word(frame, at + 2);
                    packet = packet with
                    {
                        Protocol = frame[at],
                        FragmentId = BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(at + 4)),
                        FragmentOffset = (fragment & 0xfff9) != 0 ? fragment & 0xfff8 : null,
                    };
                    if (packet.FragmentOffset > 0)
                    {
                        return packet;
                    }

                    (next, at) = (frame[at], at + 8);
                    break;
                default:
                    (next, at) = (frame[at], at + ((frame[at + 1] + 1) * 8));
                    break;
            }

            if (at > end)
            {
                return Bad(PcReason.Truncated);
            }

            if (walked == MaxExtensionHeaders)
            {
                return Bad(PcReason.ExtensionHeaders);
            }
        }

        return (packet with { Protocol = next }).ReadTransport(frame[..end], at, hopLimit: frame[start + 7]);
    }

    private ModelPacket ReadTransport(byte[] packet, int at, byte hopLimit)
    {
        var isIcmp = Protocol == (Family == IpFamily.IPv4 ? 1 : 58);
        var needed = Protocol switch { 6 => 20, 17 => 8, 132 => 16, _ when isIcmp => 8, _ => 0 };
        if (packet.Length < at + needed)
        {
            return Bad(PcReason.Truncated);
        }

        if (isIcmp)
        {
            return ReadIcmp(packet, at, hopLimit);
        }

        var read = this with { Opens = true, Replies = true };
        if (needed == 0)
        {
            return read;
        }

        read = read with { SourcePort = Word(packet, at), DestinationPort = Word(packet, at + 2) };
        var isSyn = Protocol == 6 && (packet[at + 13] & 0x12) == 0x02;
        return Protocol switch
        {
            6 => read with { Opens = isSyn, Replies = !isSyn },
            132 => read with { Replies = packet[at + 12] != 1 },
            _ => read,
        };
    }

    private ModelPacket ReadIcmp(byte[] packet, int at, byte hopLimit)
    {
        var type = packet[at];
        var (request, reply) = Family == IpFamily.IPv4 ? (8, 0) : (128, 129);
        var isError = Family == IpFamily.IPv4 ? type is 3 or 11 or 12 : type < 128;
        return this with
        {
            SourcePort = Word(packet, at + 4),
            DestinationPort = Word(packet, at + 4),
            Opens = type == request,
            Replies = type == reply,
            IsNeighbour = Family == IpFamily.IPv6
                && ((type is >= 133 and <= 137 && hopLimit == 255) || (type is 130 or 131 or 132 or 143 && hopLimit == 1)),
            Answer = isError ? ReadQuoted(packet, at + 8) : null,
        };
    }

    /// <summary>The answer to the packet quoted there: everything the other way round.</summary>
    private ModelPacket? ReadQuoted(byte[] packet, int at)
    {
        byte protocol;
        IpAddress source, destination;
        if (Family == IpFamily.IPv4)
        {
            if (packet.Length < at + 20 || packet[at] >> 4 != 4 || (packet[at] & 15) < 5 || (Word(packet, at + 6) & 0x1fff) != 0)
            {
                return null;
            }

            (protocol, source, destination) = (packet[at + 9], Ip4(packet, at + 12), Ip4(packet, at + 16));
            at += (packet[at] & 15) * 4;
        }
        else
        {
            if (packet.Length < at + 40 || packet[at] >> 4 != 6)
            {
                return null;
            }

            (protocol, source, destination) = (packet[at + 6], Ip6(packet, at + 8), Ip6(packet, at + 24));
            at += 40;
            for (var walked = 0; protocol is 0 or 43 or 44 or 60; walked++)
            {
                if (packet.Length < at + 8 || walked + 1 == MaxExtensionHeaders || (protocol == 43 && packet[at + 3] > 0)
                    || (protocol == 44 && Word(packet, at + 2) > 7))
                {
                    return null;
                }

                (protocol, at) = (packet[at], at + (protocol == 44 ? 8 : (packet[at + 1] + 1) * 8));
            }
        }

        if (packet.Length < at + 8)
        {
            return null;
        }

        var answer = new ModelPacket { IsIp = true, Family = Family, Protocol = protocol, Source = destination, Destination = source, Opens = true, Replies = true };
        if (protocol is 6 or 17 or 132)
        {
            return answer with { Opens = protocol != 6, SourcePort = Word(packet, at + 2), DestinationPort = Word(packet, at) };
        }

        if (protocol != (Family == IpFamily.IPv4 ? 1 : 58))
        {
            return answer;
        }

        var (request, reply) = Family == IpFamily.IPv4 ? (8, 0) : (128, 129);
        return packet[at] == request || packet[at] == reply
            ? answer with { Opens = packet[at] == reply, Replies = packet[at] == request, SourcePort = Word(packet, at + 4), DestinationPort = Word(packet, at + 4) }
            : null;
    }

    private static ModelPacket Bad(PcReason reason) => new() { Defect = reason };

    private static ushort Word(byte[] bytes, int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at));

    private static IpAddress Ip4(byte[] bytes, int at) => IpAddress.V4(BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at)));

    private static IpAddress Ip6(byte[] bytes, int at) => IpAddress.V6(BinaryPrimitives.ReadUInt128BigEndian(bytes.AsSpan(at)));
}
