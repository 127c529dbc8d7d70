using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

public sealed class HostileTests(Judge judge) : PacketTests(judge), IClassFixture<Judge>
{
    [Theory, MemberData(nameof(Families))]
    public void TruncatedAnywhere_IsNeverAllowedWhenIsolated(IpFamily family)
    {
        Judge.Endpoint(AllowAll(Direction.Ingress), null, Own);
        foreach (var (protocol, payload) in new[] { ((byte)6, Tcp(40000, 80, Syn)), ((byte)17, Udp(40000, 80)), ((byte)132, Sctp(40000, 80, 1)) })
        {
            var frame = Ip(Peer(family), Pod(family), protocol, payload);
            // A test run takes no frame that ends inside its IP header, but it does not look behind a tag.
            var tagged = Tagged(frame, TypeVlan);
            Assert.Equal(PcReason.Allowed, Judge.Send(Direction.Ingress, frame));
            Assert.Equal(PcReason.Allowed, Judge.Send(Direction.Ingress, tagged));
            for (var length = family == IpFamily.IPv4 ? 34 : 54; length < frame.Length; length++)
            {
                Assert.Equal(PcReason.Truncated, Judge.Send(Direction.Ingress, frame[..length]));
            }

            for (var length = 15; length < tagged.Length; length++)
            {
                Assert.Equal(PcReason.Truncated, Judge.Send(Direction.Ingress, tagged[..length]));
            }
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void TransportHeader_BeyondStatedLength_IsTruncatedThoughBytesFollow(IpFamily family)
    {
        Judge.Endpoint(AllowAll(Direction.Ingress), null, Own);
        byte[] frame = [.. Ip(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)[..12]), .. new byte[40]];

        Assert.Equal(PcReason.Truncated, Judge.Send(Direction.Ingress, frame));
    }

    [Theory, MemberData(nameof(Families))]
    public void Padding_AfterThePacket_IsIgnored(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own);

        Assert.Equal(PcReason.Allowed, Judge.Send(Direction.Ingress, [.. Ip(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)), .. new byte[20]]));
    }

    [Fact]
    public void Ip4Header_Malformed_IsDropped()
    {
        Judge.Endpoint(AllowAll(Direction.Ingress), null, Own);
        var good = Ip(Peer(IpFamily.IPv4), Pod(IpFamily.IPv4), 6, Tcp(40000, 80, Syn));
        foreach (var first in new byte[] { 0x44, 0x40, 0x55, 0x65, 0x05 })
        {
            var frame = (byte[])good.Clone();
            frame[14] = first;
            Assert.Equal(PcReason.Malformed, Judge.Send(Direction.Ingress, frame));
        }

        var shorter = (byte[])good.Clone();
        shorter[17] = 19;
        Assert.Equal(PcReason.Malformed, Judge.Send(Direction.Ingress, shorter));
    }

    [Fact]
    public void Ip6Header_WrongVersion_IsDropped()
    {
        Judge.Endpoint(AllowAll(Direction.Ingress), null, Own);
        var frame = Ip(Peer(IpFamily.IPv6), Pod(IpFamily.IPv6), 6, Tcp(40000, 80, Syn));
        frame[14] = 0x45;

        Assert.Equal(PcReason.Malformed, Judge.Send(Direction.Ingress, frame));
    }

    [Fact]
    public void Ip4Options_PortsAreReadBehindThem()
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own);
        for (var words = 1; words <= 10; words++)
        {
            byte[] Frame(int port) => Ethernet(
                TypeIp4, Ip4(Peer(IpFamily.IPv4), Pod(IpFamily.IPv4), 6, Tcp(40000, port, Syn), options: [0, 80, .. new byte[(words * 4) - 2]]));

            Assert.Equal(PcReason.Allowed, Judge.Send(Direction.Ingress, Frame(80)));
            Assert.Equal(PcReason.Isolated, Judge.Send(Direction.Ingress, Frame(81)));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(6)]
    [InlineData(8)]
    public void Ip6Extensions_UpToEight_PortsAreReadBehindThem(int count)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own);

        Assert.Equal(PcReason.Allowed, Judge.Send(Direction.Ingress, Chain(count, 80)));
        Assert.Equal(PcReason.Isolated, Judge.Send(Direction.Ingress, Chain(count, 81)));
    }

    [Fact]
    public void Ip6Extensions_AllKinds_AreWalked()
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own);
        byte[] chain = [.. Extension(60), .. Extension(43), .. Extension(44), .. Fragment6(60, 0, false, 9), .. Extension(6), .. Tcp(40000, 80, Syn)];

        Assert.Equal(PcReason.Allowed, In(Peer(IpFamily.IPv6), Pod(IpFamily.IPv6), 0, chain));
    }

    [Fact]
    public void Ip6Extensions_TooManyOrRouted_AreDropped()
    {
        Judge.Endpoint(AllowAll(Direction.Ingress), null, Own);

        Assert.Equal(PcReason.ExtensionHeaders, Judge.Send(Direction.Ingress, Chain(9, 80)));
        Assert.Equal(PcReason.ExtensionHeaders, In(Peer(IpFamily.IPv6), Pod(IpFamily.IPv6), 43, [.. Extension(6, segmentsLeft: 1), .. Tcp(40000, 80, Syn)]));
        Assert.Equal(PcReason.Malformed, In(Peer(IpFamily.IPv6), Pod(IpFamily.IPv6), 60, [.. Extension(0), .. Extension(6), .. Tcp(40000, 80, Syn)]));
        Assert.Equal(PcReason.Truncated, In(Peer(IpFamily.IPv6), Pod(IpFamily.IPv6), 60, [6, 200, 0, 0, 0, 0, 0, 0, .. Tcp(40000, 80, Syn)]));
    }

    [Theory, MemberData(nameof(Families))]
    public void SecurityHeaders_HideThePort_AndNeedARuleWithoutPorts(IpFamily family)
    {
        // An authentication header is not walked: what it covers may be anything.
        foreach (var (protocol, payload) in new[] { ((byte)50, new byte[24]), ((byte)51, [6, 1, .. new byte[10], .. Tcp(40000, 80, Syn)]) })
        {
            Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own);
            Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), protocol, payload));
            Judge.Endpoint(AllowPeers(Direction.Ingress), null, Own);
            Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), protocol, payload));
        }
    }

    [Fact]
    public void Ip6Jumbogram_AsNoNetworkDeviceMadeIt_IsDropped()
    {
        Judge.Endpoint(AllowAll(Direction.Ingress), null, Own);
        byte[] chain = [6, 0, 0xc2, 4, 0, 1, 0, 0, .. Tcp(40000, 80, Syn)];
        var frame = Ip(Peer(IpFamily.IPv6), Pod(IpFamily.IPv6), 0, chain);
        (frame[18], frame[19]) = (0, 0);

        Assert.Equal(PcReason.Truncated, Judge.Send(Direction.Ingress, frame));
    }

    [Fact]
    public void Ip4Length_LongerThanTheFrame_IsDropped()
    {
        Judge.Endpoint(AllowAll(Direction.Ingress), null, Own);
        var frame = Ip(Peer(IpFamily.IPv4), Pod(IpFamily.IPv4), 6, Tcp(40000, 80, Syn));
        frame[17]++;

        Assert.Equal(PcReason.Truncated, Judge.Send(Direction.Ingress, frame));
    }

    [Fact]
    public void Unpoliced_UnparsableFrames_Pass()
    {
        Judge.Endpoint(null, null, Own, allowSpoofing: true);

        Assert.Equal(PcReason.Unpoliced, Judge.Send(Direction.Ingress, Ip(Peer(IpFamily.IPv4), Pod(IpFamily.IPv4), 6, Tcp(1, 2, Syn)[..5])));
        Assert.Equal(PcReason.NonIp, Judge.Send(Direction.Egress, Ethernet(0x88cc, new byte[40])));
    }

    [Fact]
    public void NonIp_PassesOnlyWhereNotIsolated()
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), null, Own);

        Assert.Equal(PcReason.NonIpDenied, Judge.Send(Direction.Ingress, Ethernet(0x88cc, new byte[40])));
        Assert.Equal(PcReason.NonIp, Judge.Send(Direction.Egress, Ethernet(0x88cc, new byte[40])));
        Assert.Equal(PcReason.Neighbour, Judge.Send(Direction.Ingress, Ethernet(TypeArp, new byte[28])));
        Assert.Equal(PcReason.Neighbour, Judge.Send(Direction.Egress, Ethernet(TypeArp, new byte[28])));
    }

    [Theory, MemberData(nameof(Families))]
    public void Vlan_IpInside_IsJudged(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own);
        foreach (var tags in new ushort[][] { [TypeVlan], [TypeVlanService], [TypeVlanService, TypeVlan] })
        {
            Assert.Equal(PcReason.Allowed, Judge.Send(Direction.Ingress, Tagged(Ip(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)), tags)));
            Assert.Equal(PcReason.Isolated, Judge.Send(Direction.Ingress, Tagged(Ip(Peer(family), Pod(family), 6, Tcp(40000, 81, Syn)), tags)));
            Assert.Equal(PcReason.Spoofed, Judge.Send(Direction.Egress, Tagged(Ip(Peer(family), Stranger(family), 6, Tcp(40000, 80, Syn)), tags)));
        }
    }

    [Fact]
    public void Vlan_NotIpInside_IsDroppedWhenPolicedOrChecked()
    {
        var arp = Tagged(Ethernet(TypeArp, new byte[28]), TypeVlan);
        var three = Tagged(Ip(Peer(IpFamily.IPv4), Pod(IpFamily.IPv4), 6, Tcp(40000, 80, Syn)), TypeVlan, TypeVlan, TypeVlan);

        Judge.Endpoint(DenyAll(Direction.Ingress), null, Own, allowSpoofing: true);
        Assert.Equal(PcReason.Vlan, Judge.Send(Direction.Ingress, arp));
        Assert.Equal(PcReason.Vlan, Judge.Send(Direction.Egress, arp));
        Assert.Equal(PcReason.Vlan, Judge.Send(Direction.Ingress, three));
        Judge.Endpoint(null, null, Own);
        Assert.Equal(PcReason.Vlan, Judge.Send(Direction.Egress, arp));
        Judge.Endpoint(null, null, Own, allowSpoofing: true);
        Assert.Equal(PcReason.NonIp, Judge.Send(Direction.Egress, arp));
    }

    private static byte[] Chain(int count, int port)
    {
        var chain = Tcp(40000, port, Syn);
        for (var i = 0; i < count; i++)
        {
            chain = [.. Extension((byte)(i == 0 ? 6 : 60)), .. chain];
        }

        return Ip(Peer(IpFamily.IPv6), Pod(IpFamily.IPv6), 60, chain);
    }
}
