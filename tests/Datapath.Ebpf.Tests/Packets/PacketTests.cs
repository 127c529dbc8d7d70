using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

/// <summary>Common ground of the packet tests: who is who, in both families.</summary>
public abstract class PacketTests(Judge judge)
{
    internal const string Own = "10.1.0.2 fd01::2";
    internal const string Peers = "10.2.0.0/16 fd02::/32";
    private const string EveryAddress = "0.0.0.0/0 ::/0";

    internal Judge Judge { get; } = judge;

    public static TheoryData<IpFamily> Families => [IpFamily.IPv4, IpFamily.IPv6];

    internal static PortRange Tcp80 => new(IpProtocol.Tcp, 80, 80);

    internal static IpAddress Pod(IpFamily family) => IpAddress.Parse(family == IpFamily.IPv4 ? "10.1.0.2" : "fd01::2");

    internal static IpAddress Peer(IpFamily family) => IpAddress.Parse(family == IpFamily.IPv4 ? "10.2.3.4" : "fd02::3:4");

    internal static IpAddress Stranger(IpFamily family) => IpAddress.Parse(family == IpFamily.IPv4 ? "192.0.2.9" : "2001:db8::9");

    internal RuleSetId DenyAll(Direction direction) => Judge.Allow(direction, string.Empty);

    internal RuleSetId AllowAll(Direction direction) => Judge.Allow(direction, EveryAddress);

    internal RuleSetId AllowPeers(Direction direction, params PortRange[] ports) => Judge.Allow(direction, Peers, ports);

    internal PcReason In(IpAddress from, IpAddress to, byte protocol, byte[] payload) => Judge.Send(Direction.Ingress, Ip(from, to, protocol, payload));

    internal PcReason Out(IpAddress from, IpAddress to, byte protocol, byte[] payload) => Judge.Send(Direction.Egress, Ip(from, to, protocol, payload));
}
