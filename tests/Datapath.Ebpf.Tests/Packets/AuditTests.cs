using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

/// <summary>Policies in audit mode change no verdict; what they would deny is told, and nothing else.</summary>
public sealed class AuditTests(Judge judge) : PacketTests(judge), IClassFixture<Judge>
{
    [Theory, MemberData(nameof(Families))]
    public void Packet_AuditWouldDeny_PassesAndIsTold(IpFamily family)
    {
        Judge.Endpoint(Judge.Audit(Direction.Ingress, Peers), null, Own);

        Assert.Equal(PcReason.Audit, In(Stranger(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.Allowed, In(Peer(family), Pod(family), 6, Tcp(40000, 80, Syn)));
        Assert.Equal(PcReason.OwnAddress, In(Pod(family), Pod(family), 6, Tcp(40000, 80, Syn)));
    }

    [Theory, MemberData(nameof(Families))]
    public void WhatCannotBeRead_OnAnAuditedDirection_Passes(IpFamily family)
    {
        Judge.Endpoint(Judge.Audit(Direction.Ingress, string.Empty), null, Own, allowSpoofing: true);

        Assert.Equal(PcReason.NonIp, Judge.Send(Direction.Ingress, Ethernet(0x88cc, new byte[40])));
        Assert.Equal(PcReason.NonIp, Judge.Send(Direction.Ingress, Tagged(Ethernet(TypeArp, new byte[28]), TypeVlan)));
        Assert.Equal(PcReason.Unpoliced, Judge.Send(Direction.Ingress, Ip(Peer(family), Pod(family), 6, Tcp(1, 2, Syn)[..5])));
        var later = family == IpFamily.IPv4
            ? Ethernet(TypeIp4, Ip4(Peer(family), Pod(family), 17, new byte[64], fragmentOffset: 64))
            : Ip(Peer(family), Pod(family), 44, [.. Fragment6(17, 64, false, 1), .. new byte[64]]);
        Assert.Equal(PcReason.Unpoliced, Judge.Send(Direction.Ingress, later));
    }

    [Theory, MemberData(nameof(Families))]
    public void Reply_ThatWouldPassIfAuditWereEnforced_IsNotTold(IpFamily family)
    {
        Judge.Endpoint(Judge.Audit(Direction.Ingress, string.Empty), AllowPeers(Direction.Egress), Own);
        Assert.Equal(PcReason.Allowed, Out(Pod(family), Peer(family), 6, Tcp(40000, 80, Syn)));

        Assert.Equal(PcReason.Reply, In(Peer(family), Pod(family), 6, Tcp(80, 40000, SynAck)));
        Assert.Equal(PcReason.Audit, In(Peer(family), Pod(family), 6, Tcp(80, 40001, SynAck)));
        Assert.Equal(PcReason.Audit, In(Peer(family), Pod(family), 6, Tcp(80, 40000, Syn)));
    }

    [Theory, MemberData(nameof(Families))]
    public void Reply_ToWhatAuditWouldDeny_IsToldToo(IpFamily family)
    {
        Judge.Endpoint(DenyAll(Direction.Ingress), Judge.Audit(Direction.Egress, string.Empty), Own);

        Assert.Equal(PcReason.Audit, Out(Pod(family), Peer(family), 17, Udp(5000, 53)));
        Assert.Equal(PcReason.Audit, In(Peer(family), Pod(family), 17, Udp(53, 5000)));
        Assert.Equal(PcReason.Isolated, In(Peer(family), Pod(family), 17, Udp(53, 5001)));
    }
}
