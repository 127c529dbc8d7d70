using System.Buffers.Binary;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf;

/// <summary>The packet that opens a flow, as a program would have seen it. Checksums stay 0: no program looks at them.</summary>
internal static class OpeningPacket
{
    private const int EthernetBytes = 14;
    private const int TransportBytes = 20;

    /// <summary>The whole frame.</summary>
    public static byte[] Of(FlowTuple flow)
    {
        var isIp4 = flow.Source.Family == IpFamily.IPv4;
        var network = isIp4 ? 20 : 40;
        var frame = new byte[EthernetBytes + network + TransportBytes];
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(isIp4 ? 0x0800 : 0x86dd));
        var header = frame.AsSpan(EthernetBytes);
        if (isIp4)
        {
            header[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)(network + TransportBytes));
            header[8] = 64;
            header[9] = flow.Protocol;
            flow.Source.WriteNetworkOrder(header[12..]);
            flow.Destination.WriteNetworkOrder(header[16..]);
        }
        else
        {
            header[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(header[4..], TransportBytes);
            header[6] = flow.Protocol;
            header[7] = 64;
            flow.Source.WriteNetworkOrder(header[8..]);
            flow.Destination.WriteNetworkOrder(header[24..]);
        }

        WriteTransport(header[network..], flow);
        return frame;
    }

    private static void WriteTransport(Span<byte> transport, FlowTuple flow)
    {
        const byte EchoRequest = 8;
        const byte EchoRequest6 = 128;
        const byte TcpHeaderWords = 0x50;
        const byte TcpSyn = 0x02;
        const byte SctpInit = 1;
        if (flow.Protocol is 1 or 58)
        {
            transport[0] = flow.Protocol == 1 ? EchoRequest : EchoRequest6;
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], flow.SourcePort);
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(transport, flow.SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(transport[2..], flow.DestinationPort);
        switch (flow.Protocol)
        {
            case 6:
                transport[12] = TcpHeaderWords;
                transport[13] = TcpSyn;
                break;
            case 17:
                BinaryPrimitives.WriteUInt16BigEndian(transport[4..], TransportBytes);
                break;
            case 132:
                transport[12] = SctpInit;
                BinaryPrimitives.WriteUInt16BigEndian(transport[14..], TransportBytes - 12);
                break;
        }
    }
}
