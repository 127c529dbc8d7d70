using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

public sealed class FragmentTests(Judge judge) : PacketTests(judge), IClassFixture<Judge>
{
    [Theory, MemberData(nameof(Families))]
    public void LaterFragments_OfAnAllowedFirst_Follow(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, new PortRange(IpProtocol.Udp, 80, 80)), null, Own);

        Assert.Equal(PcReason.Allowed, First(family, 80, id: 7));

        Assert.Equal(PcReason.Fragment, Later(family, 64, more: true, id: 7));
        Assert.Equal(PcReason.Fragment, Later(family, 128, more: false, id: 7));
        Assert.Equal(PcReason.FragmentDenied, Later(family, 64, more: true, id: 8));
    }

    [Theory, MemberData(nameof(Families))]
    public void LaterFragments_OfADeniedFirst_AreDropped(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, new PortRange(IpProtocol.Udp, 80, 80)), null, Own);
        Assert.Equal(PcReason.FragmentDenied, Later(family, 64, more: true, id: 7));
        Assert.Equal(PcReason.Isolated, First(family, 81, id: 7));
        Assert.Equal(PcReason.FragmentDenied, Later(family, 64, more: true, id: 7));

        // The same identifier again: the verdict of the newest first fragment counts.
        Assert.Equal(PcReason.Allowed, First(family, 80, id: 7));
        Assert.Equal(PcReason.Isolated, First(family, 81, id: 7));
        Assert.Equal(PcReason.FragmentDenied, Later(family, 64, more: false, id: 7));
    }

    [Theory, MemberData(nameof(Families))]
    public void LaterFragment_InsideTheTransportHeader_IsDropped(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress), null, Own);
        Assert.Equal(PcReason.Allowed, First(family, 80, id: 7));

        Assert.Equal(PcReason.FragmentDenied, Later(family, 8, more: true, id: 7));
        Assert.Equal(PcReason.FragmentDenied, Later(family, 16, more: true, id: 7));
    }

    [Theory, MemberData(nameof(Families))]
    public void FirstFragment_WithoutWholeTransportHeader_IsDropped(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress), null, Own);

        Assert.Equal(PcReason.Truncated, Fragment(family, 0, true, 7, 6, Tcp(40000, 80, Syn)[..8]));
        Assert.Equal(PcReason.FragmentDenied, Later(family, 64, more: false, id: 7));
    }

    [Theory, MemberData(nameof(Families))]
    public void Fragments_OnAnUnpolicedDirection_Pass(IpFamily family)
    {
        Judge.Endpoint(null, DenyAll(Direction.Egress), Own);

        Assert.Equal(PcReason.Unpoliced, Later(family, 64, more: true, id: 7));
        Assert.Equal(PcReason.Unpoliced, First(family, 80, id: 7));
    }

    [Theory, MemberData(nameof(Families))]
    public void Fragments_OfAReply_FollowIt(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);
        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 17, Udp(80, 40000)));

        Assert.Equal(PcReason.Reply, First(family, 80, id: 7));

        Assert.Equal(PcReason.Fragment, Later(family, 64, more: false, id: 7));
    }

    private PcReason First(IpFamily family, int port, ushort id) => Fragment(family, 0, true, id, 17, [.. Udp(40000, port), .. new byte[56]]);

    private PcReason Later(IpFamily family, int offset, bool more, ushort id) => Fragment(family, offset, more, id, 17, new byte[64]);

    private PcReason Fragment(IpFamily family, int offset, bool more, ushort id, byte protocol, byte[] payload) =>
        family == IpFamily.IPv4
            ? Judge.Send(Direction.Ingress, Ethernet(TypeIp4, Ip4(Peer(family), Pod(family), protocol, payload, fragmentOffset: offset, more: more, id: id)))
            : In(Peer(family), Pod(family), 44, [.. Fragment6(protocol, offset, more, id), .. payload]);
}
