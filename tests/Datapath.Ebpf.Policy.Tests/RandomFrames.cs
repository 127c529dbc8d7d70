using System.Buffers.Binary;
using Portcullis.Net;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Policy.Tests;

/// <summary>Frames to and from one endpoint: right ones, rare ones and broken ones, few enough ends and ports that they meet again.</summary>
internal sealed class RandomFrames(Random random, IpAddress[] own, IpAddress[] others)
{
    private const int Remembered = 8;

    private static readonly int[] Ports = [80, 81, 443, 8080, 9, 40000, 50000];
    private static readonly int[] TcpFlags = [Syn, Syn, SynAck, Ack, Ack, Rst, 0x01, 0x11, 0x00, 0x03, 0x3f, 0xc2];
    private static readonly byte[] Transports = [6, 6, 6, 17, 17, 132, 1, 58, 47, 50, 51, 0, 255, 2];
    private static readonly byte[] NdTypes = [133, 134, 135, 136, 137, 130, 131, 132, 143, 128, 129, 1, 2, 3, 4, 138];

    private readonly List<(Direction Direction, IpAddress Source, IpAddress Destination, byte Protocol, byte[] Transport)> _sent = [];

    private int _fragmentedOneIn = 8;

    /// <summary>The next frame and the way it goes.</summary>
    public (Direction Direction, byte[] Frame) Next()
    {
        var direction = (Direction)random.Next(2);
        if (Chance(30))
        {
            return (direction, Padded(Ethernet(Pick<ushort>(TypeArp, 0x88cc, 0x0026, 0x8035, TypeVlan), random.Next(8) == 0 ? [] : Bytes(28))));
        }

        var (source, destination) = Ends(direction);
        var (protocol, transport) = Transport(source.Family);
        var isAgain = _sent.Count > 0 && Chance(8);
        _fragmentedOneIn = isAgain ? 2 : 8;
        if (isAgain)
        {
            // Another fragment of the same packet, often enough.
            (direction, source, destination, protocol, transport) = _sent[random.Next(_sent.Count)];
        }
        else if (_sent.Count > 0 && Chance(5))
        {
            var before = _sent[random.Next(_sent.Count)];
            direction = Chance(8) ? before.Direction : before.Direction == Direction.Ingress ? Direction.Egress : Direction.Ingress;
            (source, destination, protocol, transport) = Answer(before);
        }
        else if (_sent.Count > 0 && Chance(8))
        {
            var quoted = _sent[random.Next(_sent.Count)];
            direction = quoted.Direction == Direction.Ingress ? Direction.Egress : Direction.Ingress;
            (source, destination, protocol, transport) = Error(quoted);
        }

        if (_sent.Count == Remembered)
        {
            _sent.RemoveAt(random.Next(Remembered));
        }

        _sent.Add((direction, source, destination, protocol, transport));
        var frame = source.Family == IpFamily.IPv4 ? Packet4(source, destination, protocol, transport) : Packet6(source, destination, protocol, transport);
        if (Chance(12))
        {
            frame = Tagged(frame, Pick<ushort[]>([TypeVlan], [TypeVlanService], [TypeVlanService, TypeVlan], [TypeVlan, TypeVlan, TypeVlan]));
        }

        return (direction, Padded(Chance(7) ? Mutated(frame) : frame));
    }

    // A test run takes no frame that ends inside its Ethernet or IP header.
    private static byte[] Padded(byte[] frame)
    {
        var type = frame.Length < 14 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(12));
        var least = type switch { TypeIp4 => 34, TypeIp6 => 54, _ => 15 };
        return frame.Length >= least ? frame : [.. frame, .. new byte[least - frame.Length]];
    }

    private static byte[] Reversed(byte protocol, byte[] transport)
    {
        var reversed = (byte[])transport.Clone();
        if (protocol is 6 or 17 or 132 && transport.Length >= 4)
        {
            (reversed[0], reversed[1], reversed[2], reversed[3]) = (transport[2], transport[3], transport[0], transport[1]);
        }

        return reversed;
    }

    private bool Chance(int oneIn) => random.Next(oneIn) == 0;

    private T Pick<T>(params ReadOnlySpan<T> values) => values[random.Next(values.Length)];

    private byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    private (IpAddress Source, IpAddress Destination) Ends(Direction direction)
    {
        var local = own.Length > 0 && !Chance(15) ? Pick<IpAddress>(own) : Pick<IpAddress>(others);
        IpAddress[] peers = [.. others.Concat(own).Where(address => address.Family == local.Family)];
        var peer = Pick<IpAddress>(peers);
        return direction == Direction.Ingress ? (peer, local) : (local, peer);
    }

    private (byte Protocol, byte[] Bytes) Transport(IpFamily family)
    {
        var protocol = Chance(12) ? (byte)random.Next(256) : Pick<byte>(Transports);
        var (source, destination) = (Pick<int>(Ports), Pick<int>(Ports));
        var bytes = protocol switch
        {
            6 => Tcp(source, destination, Pick<int>(TcpFlags), Bytes(random.Next(30))),
            17 => Udp(source, destination, Bytes(random.Next(30))),
            132 => Sctp(source, destination, (byte)random.Next(4)),
            1 => Icmp(Pick<byte>(0, 8, 3, 5, 11, 12, 13), (ushort)random.Next(4)),
            58 => Icmp(Pick<byte>(NdTypes), (ushort)random.Next(4), new byte[16]),
            _ => Bytes(random.Next(24)),
        };

        // The other family's ICMP is a protocol like any other, and as likely as its own.
        return protocol is 1 or 58 && !Chance(4) ? Ping(family) : (protocol, bytes);
    }

    private (byte Protocol, byte[] Bytes) Ping(IpFamily family) => family == IpFamily.IPv4
        ? ((byte)1, Icmp(Pick<byte>(0, 8), (ushort)random.Next(4)))
        : ((byte)58, Icmp(Pick<byte>(NdTypes), (ushort)random.Next(4), new byte[16]));

    private (IpAddress Source, IpAddress Destination, byte Protocol, byte[] Transport) Answer(
        (Direction Direction, IpAddress Source, IpAddress Destination, byte Protocol, byte[] Transport) sent)
    {
        var transport = Reversed(sent.Protocol, sent.Transport);
        switch (sent.Protocol)
        {
            case 6 when transport.Length >= 14:
                transport[13] = (byte)Pick<int>(SynAck, Ack, Rst, Syn);
                break;
            case 1 when transport.Length > 0:
                transport[0] = Pick<byte>(0, 8);
                break;
            case 58 when transport.Length > 0:
                transport[0] = Pick<byte>(129, 128);
                break;
            case 132 when transport.Length > 12:
                transport[12] = Pick<byte>(2, 0, 1);
                break;
        }

        return (sent.Destination, sent.Source, sent.Protocol, transport);
    }

    private (IpAddress Source, IpAddress Destination, byte Protocol, byte[] Transport) Error(
        (Direction Direction, IpAddress Source, IpAddress Destination, byte Protocol, byte[] Transport) sent)
    {
        var transport = Chance(6) ? Reversed(sent.Protocol, sent.Transport) : sent.Transport;
        byte[] quote;
        if (sent.Source.Family == IpFamily.IPv4)
        {
            quote = Ip4(
                sent.Source, sent.Destination, sent.Protocol, transport, Chance(6) ? new byte[4 * random.Next(11)] : null, Chance(12) ? 64 : 0, Chance(12));
        }
        else
        {
            var (next, chain) = Chain(sent.Protocol, transport, rarely: 4);
            quote = Ip6(sent.Source, sent.Destination, next, chain);
        }

        if (Chance(6))
        {
            quote = quote[..random.Next(quote.Length)];
        }
        else if (Chance(8) && quote.Length > 0)
        {
            quote[random.Next(quote.Length)] ^= (byte)(1 << random.Next(8));
        }

        IpAddress[] routers = [sent.Destination, .. others.Where(address => address.Family == sent.Source.Family)];
        var router = Pick<IpAddress>(routers);
        var target = Chance(15) ? Pick<IpAddress>(routers) : sent.Source;
        return sent.Source.Family == IpFamily.IPv4
            ? (router, target, (byte)1, Icmp(Pick<byte>(3, 3, 11, 12, 4, 5), 0, quote))
            : (router, target, (byte)58, Icmp(Pick<byte>(1, 2, 3, 4, 127, 137), 0, quote));
    }

    private byte[] Packet4(IpAddress source, IpAddress destination, byte protocol, byte[] transport)
    {
        var options = Chance(8) ? Bytes(4 * random.Next(1, 11)) : null;
        var (offset, more) = Fragment();
        return Ethernet(TypeIp4, Ip4(source, destination, protocol, transport, options, offset, more, (ushort)random.Next(3)));
    }

    private byte[] Packet6(IpAddress source, IpAddress destination, byte protocol, byte[] transport)
    {
        var (next, chain) = Chain(protocol, transport, rarely: 5);
        return Ethernet(TypeIp6, Ip6(source, destination, next, chain, Pick<byte>(255, 64, 1, 255)));
    }

    private (int Offset, bool More) Fragment() =>
        Chance(_fragmentedOneIn) ? (Pick<int>(0, 0, 0, 8, 16, 24, 64), random.Next(4) > 0) : (0, false);

    private (byte Next, byte[] Bytes) Chain(byte protocol, byte[] transport, int rarely)
    {
        var (next, bytes) = (protocol, transport);
        var (offset, more) = Fragment();
        if (offset > 0 || more || Chance(40))
        {
            bytes = [.. Fragment6(next, offset, more, (uint)random.Next(3)), .. bytes];
            next = 44;
        }

        for (var i = Chance(rarely) ? random.Next(1, 11) : 0; i > 0; i--)
        {
            var kind = i == 1 ? Pick<byte>(0, 60, 43) : Pick<byte>(60, 60, 60, 43, 44, 0);
            var longer = random.Next(6) == 0 ? random.Next(3) : 0;
            bytes = kind == 44
                ? [.. Fragment6(next, 0, Chance(3), (uint)random.Next(3)), .. bytes]
                : [next, (byte)longer, 0, (byte)(kind == 43 && Chance(6) ? 1 : 0), .. new byte[4 + (8 * longer)], .. bytes];
            next = kind;
        }

        return (next, bytes);
    }

    private byte[] Mutated(byte[] frame)
    {
        var mutated = (byte[])frame.Clone();
        switch (random.Next(5))
        {
            case 0:
                return mutated[..random.Next(14, mutated.Length)];
            case 1:
                return [.. mutated, .. Bytes(random.Next(1, 60))];
            case 2:
                // The length the IP header states, of either family.
                BinaryPrimitives.WriteUInt16BigEndian(mutated.AsSpan(mutated[12] == 0x86 ? 18 : 16), (ushort)random.Next(Chance(3) ? 65536 : mutated.Length));
                return mutated;
            case 3:
                mutated[random.Next(12, Math.Min(mutated.Length, 40))] = (byte)random.Next(256);
                return mutated;
            default:
                for (var i = random.Next(1, 5); i > 0; i--)
                {
                    mutated[random.Next(12, mutated.Length)] ^= (byte)(1 << random.Next(8));
                }

                return mutated;
        }
    }
}
