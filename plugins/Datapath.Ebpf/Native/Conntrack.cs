using System.Buffers.Binary;
using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>One direction of a flow. For an ICMP echo both ports are its identifier.</summary>
internal readonly record struct FlowTuple(byte Protocol, IpAddress Source, IpAddress Destination, ushort SourcePort, ushort DestinationPort)
{
    /// <summary>The other direction.</summary>
    public FlowTuple Reversed => new(Protocol, Destination, Source, DestinationPort, SourcePort);
}

/// <summary>A flow the kernel follows: its first packet as it came in, and the answer to it as it would come in. They differ by NAT.</summary>
internal readonly record struct TrackedFlow(FlowTuple Original, FlowTuple Reply);

/// <summary>The kernel's connection tracking, of the network namespace of the calling thread.</summary>
internal static class Conntrack
{
    /// <summary>Absent until the module is loaded; asking by netlink would load it.</summary>
    private const string CountFile = "/proc/sys/net/netfilter/nf_conntrack_count";

    private const byte Icmp = 1;
    private const byte Tcp = 6;
    private const byte Icmp6 = 58;

    /// <summary>The flows that are not over; none where nobody has the kernel follow flows.</summary>
    /// <exception cref="BpfException">The kernel refused.</exception>
    public static List<TrackedFlow> Flows()
    {
        const ushort GetConnection = 0x0101;
        const ushort NewConnection = 0x0100;
        var flows = new List<TrackedFlow>();
        if (!File.Exists(CountFile) || File.ReadAllText(CountFile).Trim() == "0")
        {
            return flows;
        }

        // struct nfgenmsg of any family.
        ReadOnlySpan<byte> question = stackalloc byte[4];
        const string Operation = "reading the kernel's connection tracking";
        var result = Netlink.Dump(Netlink.Netfilter, GetConnection, question, Operation, (type, body) =>
        {
            if (type == NewConnection && Read(body[4..]) is { } flow)
            {
                flows.Add(flow);
            }
        });
        BpfException.Check(result, Operation);
        return flows;
    }

    private static TrackedFlow? Read(ReadOnlySpan<byte> message)
    {
        const int TupleOriginal = 1;
        const int TupleReply = 2;
        return ReadTuple(Netlink.Attribute(message, TupleOriginal)) is { } original
            && ReadTuple(Netlink.Attribute(message, TupleReply)) is { } reply
            && !(original.Protocol == Tcp && IsOver(message))
            ? new TrackedFlow(original, reply)
            : null;
    }

    private static bool IsOver(ReadOnlySpan<byte> message)
    {
        const int ProtocolInfo = 4;
        const int TcpInfo = 1;
        const int TcpState = 1;
        const byte TimeWait = 7;
        var state = Netlink.Attribute(Netlink.Attribute(Netlink.Attribute(message, ProtocolInfo), TcpInfo), TcpState);
        return state.Length > 0 && state[0] >= TimeWait;
    }

    private static FlowTuple? ReadTuple(ReadOnlySpan<byte> tuple)
    {
        const int Addresses = 1;
        const int Transport = 2;
        const int Number = 1;
        var addresses = Netlink.Attribute(tuple, Addresses);
        var transport = Netlink.Attribute(tuple, Transport);
        var number = Netlink.Attribute(transport, Number);
        if (number.IsEmpty || ReadAddress(addresses, 1, 3) is not { } source || ReadAddress(addresses, 2, 4) is not { } destination)
        {
            return null;
        }

        var (sourcePort, destinationPort) = number[0] switch
        {
            Icmp => (ReadPort(transport, 4), ReadPort(transport, 4)),
            Icmp6 => (ReadPort(transport, 7), ReadPort(transport, 7)),
            _ => (ReadPort(transport, 2), ReadPort(transport, 3)),
        };
        return new FlowTuple(number[0], source, destination, sourcePort, destinationPort);
    }

    private static IpAddress? ReadAddress(ReadOnlySpan<byte> addresses, int type4, int type6)
    {
        var v4 = Netlink.Attribute(addresses, type4);
        if (v4.Length == 4)
        {
            return IpAddress.V4(BinaryPrimitives.ReadUInt32BigEndian(v4));
        }

        var v6 = Netlink.Attribute(addresses, type6);
        return v6.Length == 16 ? IpAddress.V6(BinaryPrimitives.ReadUInt128BigEndian(v6)) : null;
    }

    private static ushort ReadPort(ReadOnlySpan<byte> transport, int type) =>
        Netlink.Attribute(transport, type) is { Length: 2 } port ? BinaryPrimitives.ReadUInt16BigEndian(port) : (ushort)0;
}
