using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

public sealed class IcmpErrorTests(Judge judge) : PacketTests(judge), IClassFixture<Judge>
{
    [Theory, MemberData(nameof(Families))]
    public void Error_AboutAFlowWithPermit_Passes(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);
        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 17, Udp(5000, 53)));

        Assert.Equal(PcReason.IcmpError, Error(family, Quote(Pod(family), Peer(family), 17, Udp(5000, 53))));
        Assert.Equal(PcReason.Isolated, Error(family, Quote(Pod(family), Peer(family), 17, Udp(5001, 53))));
        Assert.Equal(PcReason.Isolated, Error(family, Quote(Pod(family), Peer(family), 6, Udp(5000, 53))));
        Assert.Equal(PcReason.Isolated, Error(family, Quote(Pod(family), Stranger(family), 17, Udp(5000, 53))));
    }

    [Theory, MemberData(nameof(Families))]
    public void Error_AboutAPacketOfSomebodyElse_IsDropped(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress), AllowPeers(Direction.Egress), Own);

        Assert.Equal(PcReason.Isolated, Error(family, Quote(Stranger(family), Peer(family), 17, Udp(5000, 53))));
        Assert.Equal(PcReason.IcmpError, Error(family, Quote(Pod(family), Peer(family), 17, Udp(5000, 53))));
    }

    [Theory, MemberData(nameof(Families))]
    public void Error_AboutAReplyOfAServer_PassesByPolicy(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), DenyAll(Direction.Egress), Own);

        Assert.Equal(PcReason.IcmpError, Error(family, Quote(Pod(family), Peer(family), 6, Tcp(80, 40000, Ack))));
        Assert.Equal(PcReason.Isolated, Error(family, Quote(Pod(family), Peer(family), 6, Tcp(81, 40000, Ack))));
    }

    [Theory, MemberData(nameof(Families))]
    public void Error_SentByTheEndpoint_PassesWhenWhatItQuotesCameIn(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress), DenyAll(Direction.Egress), Own);
        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 17, Udp(5000, 9)));

        var quoted = Quote(Peer(family), Pod(family), 17, Udp(5000, 9));
        Assert.Equal(PcReason.IcmpError, Out(Pod(family), Peer(family), Icmp(family), Frames.Icmp(Unreachable(family), 0, quoted)));
        var other = Quote(Peer(family), Pod(family), 17, Udp(5001, 9));
        Assert.Equal(PcReason.Isolated, Out(Pod(family), Peer(family), Icmp(family), Frames.Icmp(Unreachable(family), 0, other)));
    }

    [Theory, MemberData(nameof(Families))]
    public void Error_QuotingTooLittle_IsDropped(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);
        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 17, Udp(5000, 53)));
        var quote = Quote(Pod(family), Peer(family), 17, Udp(5000, 53));

        for (var length = 0; length < quote.Length; length++)
        {
            Assert.Equal(PcReason.Isolated, Error(family, quote[..length]));
        }

        Assert.Equal(PcReason.IcmpError, Error(family, quote));
    }

    [Theory, MemberData(nameof(Families))]
    public void Error_AboutAPing_Passes(IpFamily family)
    {
        var request = Frames.Icmp((byte)(family == IpFamily.IPv4 ? 8 : 128), 77);
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);
        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), Icmp(family), request));

        Assert.Equal(PcReason.IcmpError, Error(family, Quote(Pod(family), Peer(family), Icmp(family), request)));
    }

    private static byte Icmp(IpFamily family) => (byte)(family == IpFamily.IPv4 ? 1 : 58);

    private static byte Unreachable(IpFamily family) => (byte)(family == IpFamily.IPv4 ? 3 : 1);

    private static byte[] Quote(IpAddress source, IpAddress destination, byte protocol, byte[] payload) =>
        source.Family == IpFamily.IPv4 ? Ip4(source, destination, protocol, payload[..8]) : Ip6(source, destination, protocol, payload[..8]);

    /// <summary>From a router on the way, whom no rule knows.</summary>
    private PcReason Error(IpFamily family, byte[] quote) =>
        In(Stranger(family), Pod(family), Icmp(family), Frames.Icmp(Unreachable(family), 0, quote));
}
