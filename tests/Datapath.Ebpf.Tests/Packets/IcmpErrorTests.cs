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

    [Theory]
    [InlineData(IpFamily.IPv4, 3)]
    [InlineData(IpFamily.IPv4, 11)]
    [InlineData(IpFamily.IPv4, 12)]
    [InlineData(IpFamily.IPv6, 1)]
    [InlineData(IpFamily.IPv6, 2)]
    [InlineData(IpFamily.IPv6, 3)]
    [InlineData(IpFamily.IPv6, 4)]
    public void Error_OfAnyKind_AboutAnEstablishedConnection_Passes(IpFamily family, byte type)
    {
        // Type 3 with code 4 is "fragmentation needed", type 2 of IPv6 "packet too big".
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), DenyAll(Direction.Egress), Own);
        var quote = Quote(Pod(family), Peer(family), 6, Tcp(80, 40000, Ack));
        var error = Frames.Icmp(type, 0, quote);
        error[1] = 4;

        Assert.Equal(PcReason.IcmpError, In(Stranger(family), Pod(family), Icmp(family), error));
        error[0] = (byte)(family == IpFamily.IPv4 ? 5 : 138);
        Assert.Equal(PcReason.Isolated, In(Stranger(family), Pod(family), Icmp(family), error));
    }

    [Fact]
    public void Error_QuotingAFragmentOrExtensionHeaders_IsReadBehindThem()
    {
        var (pod, peer) = (Pod(IpFamily.IPv6), Peer(IpFamily.IPv6));
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);
        Assert.Equal(PcReason.Allowed, Out(pod, peer, 17, Udp(5000, 53)));
        byte[] Fragment(int offset, int port) => Ip6(pod, peer, 60, [.. Extension(44), .. Fragment6(17, offset, true, 1), .. Udp(port, 53)]);

        Assert.Equal(PcReason.IcmpError, Error(IpFamily.IPv6, Fragment(0, 5000)));
        Assert.Equal(PcReason.Isolated, Error(IpFamily.IPv6, Fragment(0, 5001)));
        Assert.Equal(PcReason.Isolated, Error(IpFamily.IPv6, Fragment(64, 5000)));
        Assert.Equal(PcReason.Isolated, Error(IpFamily.IPv6, Ip6(pod, peer, 43, [.. Extension(17, segmentsLeft: 1), .. Udp(5000, 53)])));
    }

    [Theory, MemberData(nameof(Families))]
    public void Error_AboutAKeptConnection_Passes(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own, keep: true);
        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Judge.SetEndpoint(DenyAll(Direction.Ingress), DenyAll(Direction.Egress), Own);

        Assert.Equal(PcReason.IcmpError, Error(family, Quote(Pod(family), Peer(family), 6, Tcp(80, 40000, Ack))));
        Assert.Equal(PcReason.Isolated, Error(family, Quote(Pod(family), Peer(family), 6, Tcp(80, 40001, Ack))));
    }

    private static byte Icmp(IpFamily family) => (byte)(family == IpFamily.IPv4 ? 1 : 58);

    private static byte Unreachable(IpFamily family) => (byte)(family == IpFamily.IPv4 ? 3 : 1);

    private static byte[] Quote(IpAddress source, IpAddress destination, byte protocol, byte[] payload) =>
        source.Family == IpFamily.IPv4 ? Ip4(source, destination, protocol, payload[..8]) : Ip6(source, destination, protocol, payload[..8]);

    /// <summary>From a router on the way, whom no rule knows.</summary>
    private PcReason Error(IpFamily family, byte[] quote) =>
        In(Stranger(family), Pod(family), Icmp(family), Frames.Icmp(Unreachable(family), 0, quote));
}
