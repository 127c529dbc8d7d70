using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Tests.Rendering;

public sealed class PortMatchesTests
{
    [Fact]
    public void Of_NoRanges_MatchesEveryPacket() => Assert.Equal([string.Empty], PortMatches.Of(null, isReply: false));

    [Fact]
    public void Of_SinglePort_UsesTheProtocolsOwnMatch() =>
        Assert.Equal(["-p tcp -m tcp --dport 80 "], PortMatches.Of([new PortRange(IpProtocol.Tcp, 80, 80)], isReply: false));

    [Fact]
    public void Of_Reply_LooksAtTheSourcePort() =>
        Assert.Equal(["-p udp -m udp --sport 1:9 "], PortMatches.Of([new PortRange(IpProtocol.Udp, 1, 9)], isReply: true));

    [Fact]
    public void Of_Sctp_NeedsNoMatchOfItsOwn() =>
        Assert.Equal(["-p sctp -m multiport --dports 7 "], PortMatches.Of([new PortRange(IpProtocol.Sctp, 7, 7)], isReply: false));

    [Fact]
    public void Of_WholeProtocolAmongPorts_IsTheWholeProtocol() =>
        Assert.Equal(["-p sctp "], PortMatches.Of([new PortRange(IpProtocol.Sctp, 7, 7), PortRange.All(IpProtocol.Sctp)], isReply: false));

    [Fact]
    public void Of_ThirtyPortsAndARange_FillsFifteenPlacesEach()
    {
        var ranges = Enumerable.Range(1, 28).Select(port => new PortRange(IpProtocol.Tcp, (ushort)port, (ushort)port))
            .Append(new PortRange(IpProtocol.Tcp, 100, 200))
            .Append(new PortRange(IpProtocol.Udp, 53, 53))
            .ToEquatableArray();

        var matches = PortMatches.Of(ranges, isReply: false).ToList();

        Assert.Equal(
            [
                $"-p tcp -m multiport --dports {string.Join(',', Enumerable.Range(1, 15))} ",
                $"-p tcp -m multiport --dports {string.Join(',', Enumerable.Range(16, 13))},100:200 ",
                "-p udp -m udp --dport 53 ",
            ],
            matches);
    }
}
