using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Resources;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

public sealed class SourceTests(Judge judge) : PacketTests(judge), IClassFixture<Judge>
{
    private static readonly IpAddress LinkLocal = IpAddress.Parse("fe80::1234");
    private static readonly IpAddress AllNodes = IpAddress.Parse("ff02::1");

    [Theory, MemberData(nameof(Families))]
    public void Source_NotOwn_IsDroppedWhateverPolicySays(IpFamily family)
    {
        Judge.Endpoint(null, null, "10.1.0.2 10.1.0.3 fd01::2 fd01::3");

        Assert.Equal(PcReason.Unpoliced, Out(Pod(family), Peer(family), 6, Tcp(1, 2, Syn)));
        Assert.Equal(PcReason.Unpoliced, Out(IpAddress.Parse(family == IpFamily.IPv4 ? "10.1.0.3" : "fd01::3"), Peer(family), 6, Tcp(1, 2, Syn)));
        Assert.Equal(PcReason.Spoofed, Out(Stranger(family), Peer(family), 6, Tcp(1, 2, Syn)));
        Assert.Equal(PcReason.Spoofed, Out(Stranger(family), Peer(family), 47, new byte[8]));
        Assert.Equal(PcReason.Unpoliced, In(Stranger(family), Pod(family), 6, Tcp(1, 2, Syn)));
    }

    [Fact]
    public void Source_OfAFamilyWithoutOwnAddress_IsDropped()
    {
        Judge.Endpoint(null, null, "10.1.0.2");

        Assert.Equal(PcReason.Spoofed, Out(Pod(IpFamily.IPv6), Peer(IpFamily.IPv6), 6, Tcp(1, 2, Syn)));
        Assert.Equal(PcReason.Spoofed, Out(IpAddress.Parse("::"), Peer(IpFamily.IPv6), 6, Tcp(1, 2, Syn)));
        Assert.Equal(PcReason.Spoofed, Out(IpAddress.Parse("0.0.0.0"), Peer(IpFamily.IPv4), 17, Udp(68, 67)));
    }

    [Theory, MemberData(nameof(Families))]
    public void Source_SpoofingAllowedOrOwnInterface_IsNotChecked(IpFamily family)
    {
        Judge.Endpoint(null, null, Own, allowSpoofing: true);
        Assert.Equal(PcReason.Unpoliced, Out(Stranger(family), Peer(family), 6, Tcp(1, 2, Syn)));

        Judge.Endpoint(null, null, Own, InterfaceSide.Self);
        Assert.Equal(PcReason.Unpoliced, Out(Stranger(family), Peer(family), 6, Tcp(1, 2, Syn)));
    }

    [Theory, MemberData(nameof(Families))]
    public void Source_UnparsableWhenChecked_IsDropped(IpFamily family)
    {
        Judge.Endpoint(null, null, Own);

        Assert.Equal(PcReason.Truncated, Judge.Send(Direction.Egress, Tagged(Ip(Pod(family), Peer(family), 6, Tcp(1, 2, Syn)), TypeVlan)[..30]));
    }

    [Theory]
    [InlineData(133)]
    [InlineData(134)]
    [InlineData(135)]
    [InlineData(136)]
    [InlineData(137)]
    public void NeighbourDiscovery_WithHopLimit255_AlwaysPasses(byte type)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), DenyAll(Direction.Egress), Own);

        Assert.Equal(PcReason.Neighbour, Nd(Direction.Ingress, LinkLocal, type, 255));
        Assert.Equal(PcReason.Neighbour, Nd(Direction.Egress, LinkLocal, type, 255));
        Assert.Equal(PcReason.Neighbour, Nd(Direction.Egress, IpAddress.Parse("::"), type, 255));
        Assert.Equal(PcReason.Neighbour, Nd(Direction.Egress, Pod(IpFamily.IPv6), type, 255));
        Assert.Equal(PcReason.Isolated, Nd(Direction.Ingress, LinkLocal, type, 254));
        Assert.Equal(PcReason.Spoofed, Nd(Direction.Egress, LinkLocal, type, 254));
        Assert.Equal(PcReason.Spoofed, Nd(Direction.Egress, Stranger(IpFamily.IPv6), type, 255));
    }

    [Theory]
    [InlineData(130)]
    [InlineData(131)]
    [InlineData(132)]
    [InlineData(143)]
    public void Mld_WithHopLimit1_AlwaysPasses(byte type)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), DenyAll(Direction.Egress), Own);

        // As the standard has it, behind a hop-by-hop router alert.
        byte[] report = [.. Extension(58), .. Icmp(type, 0, new byte[16])];
        byte[] Frame(byte hops, string source) => Ethernet(TypeIp6, Ip6(IpAddress.Parse(source), AllNodes, 0, report, hops));
        Assert.Equal(PcReason.Neighbour, Judge.Send(Direction.Ingress, Frame(1, "fe80::9")));
        Assert.Equal(PcReason.Neighbour, Judge.Send(Direction.Egress, Frame(1, "fe80::9")));
        Assert.Equal(PcReason.Neighbour, Judge.Send(Direction.Egress, Frame(1, "::")));
        Assert.Equal(PcReason.Isolated, Judge.Send(Direction.Ingress, Frame(2, "fe80::9")));
        Assert.Equal(PcReason.Spoofed, Judge.Send(Direction.Egress, Frame(2, "fe80::9")));
    }

    private PcReason Nd(Direction direction, IpAddress source, byte type, byte hops) =>
        Judge.Send(direction, Ethernet(TypeIp6, Ip6(source, AllNodes, 58, Icmp(type, 0, new byte[16]), hops)));
}
