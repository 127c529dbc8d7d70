using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

public sealed class ReplyTests(Judge judge) : PacketTests(judge), IClassFixture<Judge>
{
    [Theory, MemberData(nameof(Families))]
    public void TcpReply_AfterAllowedSyn_Passes(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress, Tcp80), Own);
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(80, 40000, SynAck)));

        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 6, Tcp(40000, 80, Syn)));

        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), 6, Tcp(80, 40000, SynAck)));
        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), 6, Tcp(80, 40000, Ack, 1, 2, 3)));
        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), 6, Tcp(80, 40000, Rst)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(80, 40000, Syn)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(80, 40001, SynAck)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(81, 40000, SynAck)));
        Assert.Equal(PcReason.Isolated, In(Stranger(family), Pod(family), 6, Tcp(80, 40000, SynAck)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 17, Udp(80, 40000)));
    }

    [Theory, MemberData(nameof(Families))]
    public void TcpReply_OfServerWithEgressIsolated_Passes(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), DenyAll(Direction.Egress), Own);

        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));

        Assert.Equal(PcReason.Reply, Out(Pod(family), Peer(family), 6, Tcp(80, 40000, SynAck)));
        Assert.Equal(PcReason.Isolated, Out(Pod(family), Peer(family), 6, Tcp(80, 40000, Syn)));
        Assert.Equal(PcReason.Isolated, Out(Pod(family), Peer(family), 6, Tcp(40000, 80, Ack)));
    }

    [Theory, MemberData(nameof(Families))]
    public void Reply_OnceForwardIsNoLongerAllowed_IsDropped(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress, Tcp80), Own);
        Out(Pod(family), Peer(family), 6, Tcp(40000, 80, Syn));
        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), 6, Tcp(80, 40000, Ack)));

        Judge.SetEndpoint(DenyAll(Direction.Ingress), DenyAll(Direction.Egress), Own);

        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(80, 40000, Ack)));
        Assert.Equal(PcReason.Isolated, Out(Pod(family), Peer(family), 6, Tcp(40000, 80, Ack)));
    }

    [Theory, MemberData(nameof(Families))]
    public void EstablishedInboundConnection_OncePolicyDeniesIt_IsNotAdoptedAsOutbound(IpFamily family)
    {
        Judge.Endpoint(AllowAll(Direction.Ingress), null, Own);
        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));

        Judge.SetEndpoint(DenyAll(Direction.Ingress), null, Own);

        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Ack)));
        Assert.Equal(PcReason.Unpoliced, Out(Pod(family), Peer(family), 6, Tcp(80, 40000, Ack)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Ack)));
    }

    [Theory, MemberData(nameof(Families))]
    public void OutboundConnectionOlderThanTheAgent_AfterAMissedReply_IsAdopted(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);
        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 6, Tcp(40000, 80, Ack)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(80, 40000, Ack)));

        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 6, Tcp(40000, 80, Ack)));

        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), 6, Tcp(80, 40000, Ack)));
    }

    [Theory, MemberData(nameof(Families))]
    public void UdpReply_AfterAllowedDatagram_Passes(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);

        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 17, Udp(5000, 53)));

        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), 17, Udp(53, 5000)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 17, Udp(54, 5000)));
    }

    [Theory, MemberData(nameof(Families))]
    public void SctpReply_Passes_ButInitNever(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);

        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 132, Sctp(5000, 7, 1)));

        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), 132, Sctp(7, 5000, 2)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 132, Sctp(7, 5000, 1)));
    }

    [Theory, MemberData(nameof(Families))]
    public void PingReply_Passes_ButPingDoesNot(IpFamily family)
    {
        var (protocol, request, reply) = family == IpFamily.IPv4 ? ((byte)1, (byte)8, (byte)0) : ((byte)58, (byte)128, (byte)129);
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);

        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), protocol, Icmp(request, 77)));

        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), protocol, Icmp(reply, 77)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), protocol, Icmp(reply, 78)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), protocol, Icmp(request, 77)));
    }

    [Theory, MemberData(nameof(Families))]
    public void EchoReply_Unasked_OpensNothing(IpFamily family)
    {
        var (protocol, request, reply) = family == IpFamily.IPv4 ? ((byte)1, (byte)8, (byte)0) : ((byte)58, (byte)128, (byte)129);
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);

        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), protocol, Icmp(reply, 77)));

        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), protocol, Icmp(reply, 77)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), protocol, Icmp(request, 77)));
    }

    [Theory, MemberData(nameof(Families))]
    public void KeepEstablished_AfterPolicyDenies_OldFlowsGoOnAndNewOnesDoNot(IpFamily family)
    {
        Judge.Endpoint(AllowPeers(Direction.Ingress, Tcp80), null, Own, keep: true);
        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.Unpoliced, Out(Pod(family), Peer(family), 6, Tcp(80, 40000, SynAck)));

        Judge.SetEndpoint(DenyAll(Direction.Ingress), DenyAll(Direction.Egress), Own);

        Assert.Equal(PcReason.Established, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Ack)));
        Assert.Equal(PcReason.Established, Out(Pod(family), Peer(family), 6, Tcp(80, 40000, Ack)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 6, Tcp(40001, 80, Ack)));
    }

    [Fact]
    public void Permits_UnderAnotherEndpointsFlood_StayAlive()
    {
        var (pod, peer) = (Pod(IpFamily.IPv4), Peer(IpFamily.IPv4));
        Judge.Endpoint(DenyAll(Direction.Ingress), AllowPeers(Direction.Egress), Own);
        for (var port = 1; port <= 1000; port++)
        {
            Assert.Equal(PcReason.Allowed, Out(pod, peer, 17, Udp(port, 53)));
        }

        Judge.GivePermitsTo(owner: 2);
        var flood = Ip(pod, peer, 17, Udp(0, 0));
        for (var i = 0; i < 1_000_000; i++)
        {
            // Both ports of the UDP header.
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(flood.AsSpan(34), (i << 4) + 1000);
            Judge.SendUncounted(Direction.Egress, flood);
        }

        for (var port = 1; port <= 1000; port++)
        {
            Assert.Equal(PcReason.Reply, In(peer, pod, 17, Udp(53, port)));
        }
    }
}
