using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

public sealed class VerdictTests(Judge judge) : PacketTests(judge), IClassFixture<Judge>
{
    [Theory, MemberData(nameof(Families))]
    public void Ingress_PeerAllowedOnPort_PassesThatPortOnly(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own);

        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(40000, 81, Syn)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 17, Udp(40000, 80)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 132, Sctp(40000, 80, 1)));
        Assert.Equal(PcReason.Isolated, In(Stranger(family), Pod(family), 6, Tcp(40000, 80, Syn)));
    }

    [Theory, MemberData(nameof(Families))]
    public void Egress_PeerAllowed_IsJudgedByDestination(IpFamily family)
    {
        Judge.Endpoint(null, AllowPeers(Direction.Egress, new PortRange(IpProtocol.Udp, 53, 53), new PortRange(IpProtocol.Sctp, 7, 9)), Own);

        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 17, Udp(40000, 53)));
        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 132, Sctp(40000, 8, 1)));
        Assert.Equal(PcReason.Isolated, Out(Pod(family), Peer(family), 17, Udp(53, 54)));
        Assert.Equal(PcReason.Isolated, Out(Pod(family), Stranger(family), 17, Udp(40000, 53)));
        Assert.Equal(PcReason.Unpoliced, In(Stranger(family), Pod(family), 6, Tcp(40000, 80, Syn)));
    }

    [Theory, MemberData(nameof(Families))]
    public void SelfSide_TcIngressIsIngress(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress), null, Own, InterfaceSide.Self);

        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.Isolated, In(Stranger(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.Unpoliced, Out(Stranger(family), Peer(family), 6, Tcp(40000, 80, Syn)));
    }

    [Theory, MemberData(nameof(Families))]
    public void OtherProtocols_NeedARuleWithoutPorts(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress), null, Own);
        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 47, new byte[8]));
        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), (byte)(family == IpFamily.IPv4 ? 1 : 58), Icmp((byte)(family == IpFamily.IPv4 ? 8 : 128))));

        Judge.Endpoint(AllowPeers(Direction.Ingress, PortRange.All(IpProtocol.Tcp), PortRange.All(IpProtocol.Udp), PortRange.All(IpProtocol.Sctp)), null, Own);
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 47, new byte[8]));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), (byte)(family == IpFamily.IPv4 ? 1 : 58), Icmp((byte)(family == IpFamily.IPv4 ? 8 : 128))));
    }

    [Theory, MemberData(nameof(Families))]
    public void OwnAddress_Isolated_StillPasses(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), DenyAll(Direction.Egress), "10.1.0.2 10.1.0.3 fd01::2 fd01::3");

        Assert.Equal(PcReason.OwnAddress, In(Pod(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        var second = IpAddress.Parse(family == IpFamily.IPv4 ? "10.1.0.3" : "fd01::3");
        Assert.Equal(PcReason.OwnAddress, Out(second, second, 17, Udp(40000, 80)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));
    }

    [Theory, MemberData(nameof(Families))]
    public void NestedBlocks_LongestPrefixWithHole_IsExact(IpFamily family)
    {
        Judge.Endpoint(Judge.Allow(Direction.Ingress, "10.9.0.0/17 10.9.128.0/18 fd09::/33 fd09:0:8000::/34"), null, Own);

        var (inside, hole) = family == IpFamily.IPv4
            ? (IpAddress.Parse("10.9.191.255"), IpAddress.Parse("10.9.192.0"))
            : (IpAddress.Parse("fd09:0:bfff:ffff::1"), IpAddress.Parse("fd09:0:c000::"));
        Assert.Equal(PcReason.Allowed, In(inside, Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.Isolated, In(hole, Pod(family), 6, Tcp(40000, 80, Syn)));
    }

    [Fact]
    public void Ports_ManyRanges_BinarySearchFindsEach()
    {
        PortRange[] ranges = [.. Enumerable.Range(1, 200).Select(i => new PortRange(IpProtocol.Tcp, (ushort)(i * 10), (ushort)((i * 10) + 4)))];
        Judge.Endpoint(AllowPeers(Direction.Ingress, ranges), null, Own);

        for (var port = 0; port < 2020; port++)
        {
            var expected = port is >= 10 and < 2005 && port % 10 < 5 ? PcReason.Allowed : PcReason.Isolated;
            Assert.Equal(expected, In(Peer(IpFamily.IPv4), Pod(IpFamily.IPv4), 6, Tcp(40000, port, Syn)));
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void ClosedEndpoint_DropsAllButNeighbours(IpFamily family)
    {
        Judge.Endpoint(null, null, Own);
        Judge.Close();

        Assert.Equal(PcReason.Closed, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.Closed, Out(Pod(family), Peer(family), 47, new byte[8]));
        Assert.Equal(PcReason.Closed, Judge.Send(Direction.Ingress, Ethernet(0x88cc, new byte[40])));
        Assert.Equal(PcReason.Neighbour, Judge.Send(Direction.Ingress, Ethernet(TypeArp, new byte[28])));
    }

    [Fact]
    public void MissingEndpoint_Drops()
    {
        Judge.Endpoint(null, null, Own);
        Judge.ForgetEndpoint();

        Assert.Equal(PcReason.NoEndpoint, Judge.Send(Direction.Ingress, Ip(Peer(IpFamily.IPv4), Pod(IpFamily.IPv4), 6, Tcp(1, 2, Syn))));
        Assert.Equal(PcReason.NoEndpoint, Judge.Send(Direction.Ingress, Ethernet(TypeArp, new byte[28])));
    }
}
