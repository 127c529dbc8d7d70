using Portcullis.Datapaths;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;
using static Portcullis.Datapath.Conformance.PolicedNode;

namespace Portcullis.Datapath.Conformance;

/// <summary>Protocols, replies, sides and settings.</summary>
public abstract partial class DatapathConformanceTests
{
    [Theory]
    [MemberData(nameof(Families))]
    public async Task Sctp_PortRules_HoldAndTcpStaysDenied(IpFamily family)
    {
        await using var node = CreateNode();
        await using var http = HttpResponder.Start(node.B.Network, 7000);

        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Sctp, 7000)))],
            [PeersOf(1, node.A)],
            node.Endpoint(node.B, ingress: 1));

        Assert.Equal(ProbeOutcome.Allowed, await Sockets.SctpAsync(node.A, node.B, family, 7000, Limit));
        Assert.Equal(ProbeOutcome.Denied, await Sockets.SctpAsync(node.A, node.B, family, 7001, Limit));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 7000));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Icmp_OnlyRulesWithoutPortsAllowIt(IpFamily family)
    {
        await using var node = CreateNode();
        await node.ReplaceAsync(
            [
                Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1)),
                Isolated(2, Direction.Egress),
                Isolated(3, Direction.Ingress, Rule(RuleAction.Accept, 1, PortRange.All(IpProtocol.Tcp), PortRange.All(IpProtocol.Udp))),
            ],
            [PeersOf(1, node.A)],
            node.Endpoint(node.B, ingress: 1, egress: 2));
        Assert.True(Sockets.Ping(node.A.Network, node.B.Address(family), Patience));

        await node.ApplyAsync(new ChangeSet { Revision = 0, Endpoints = [node.Endpoint(node.B, ingress: 3, egress: 2)] });

        Assert.False(Sockets.Ping(node.A.Network, node.B.Address(family), Limit));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task IcmpError_AboutAnOwnPacket_PassesIsolation(IpFamily family)
    {
        await using var node = CreateNode();

        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress), Isolated(2, Direction.Egress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Udp, 99)))],
            [PeersOf(1, node.B)],
            node.Endpoint(node.A, ingress: 1, egress: 2),
            node.Endpoint(node.B, egress: 2));

        // Nothing listens there: the answer is an ICMP error, which the socket reports as a failure.
        Assert.Equal(ProbeOutcome.Failed, await UdpAsync(node.A, node.B, family, 99));
        Assert.Equal(ProbeOutcome.Denied, await UdpAsync(node.A, node.B, family, 98));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public Task Established_Keep_OldConnectionsLiveAndNewOnesAreDenied(IpFamily family) => KeepsAsync(
        family,
        node => node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1))], [PeersOf(1, node.A)], node.Endpoint(node.B, ingress: 1)));

    [Theory]
    [MemberData(nameof(Families))]
    public Task Established_KeepOfAConnectionThatNoRuleAllowed_Lives(IpFamily family) =>
        KeepsAsync(family, node => node.ReplaceAsync([], [], node.Endpoint(node.B)));

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Reply_ToADeniedFlow_StillPassesWhenItsOwnDirectionIsAllowed(IpFamily family)
    {
        await using var node = CreateNode();
        using var a = Sockets.Udp(node.A.Network, node.A.Address(family), 5060);
        using var b = Sockets.Udp(node.B.Network, node.B.Address(family), 5061);
        await node.ReplaceAsync([], [], node.Endpoint(node.B));
        Assert.Equal(ProbeOutcome.Allowed, await Sockets.SendAsync(b, a, Limit));
        Assert.Equal(ProbeOutcome.Allowed, await Sockets.SendAsync(a, b, Limit));

        // From now on only A may open flows to B; conntrack still takes A's packets for replies to B's.
        await node.ReplaceAsync(
            [Isolated(1, Direction.Egress), Isolated(2, Direction.Ingress, Rule(RuleAction.Accept, 1))],
            [PeersOf(1, node.A)],
            node.Endpoint(node.B, ingress: 2, egress: 1));

        Assert.Equal(ProbeOutcome.Denied, await Sockets.SendAsync(b, a, Limit));
        Assert.Equal(ProbeOutcome.Allowed, await Sockets.SendAsync(a, b, Limit));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Self_TheMachinesOwnInterface_IsJudgedBothWaysAndLoopbackIsNot(IpFamily family)
    {
        await using var node = CreateNode();
        await using var mine = new Responders(node.A, 80, 81);
        await using var theirs = new Responders(node.B, 80, 81);
        await using var self = node.OpenAnother(node.Settings with { Instance = node.Settings.Instance + "s" }, node.A.Network);
        var link = new Link("eth0", IndexOf(node.A.Network, "eth0"));

        await node.ApplyAsync(
            self,
            new ChangeSet
            {
                Revision = 0,
                Replace = true,
                PeerSets = [PeersOf(1, node.B)],
                RuleSets =
                [
                    Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Tcp, 80))),
                    Isolated(2, Direction.Egress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Tcp, 81))),
                ],
                Endpoints = [new Endpoint(node.A.Name, "eth0", InterfaceSide.Self, node.A.Addresses, new(1), new(2), link)],
            },
            node.A.Network);

        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.B, node.A, family, 80));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.B, node.A, family, 81));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 81));
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.A, family, 81));
        await node.CleanupAsync(self, node.A.Network);
    }

    [Fact]
    public Task NeighbourDiscovery_UnderFullIsolation_StillWorks() => NeighbourIsFoundAsync(endpoint => endpoint);

    [Fact]
    public Task NeighbourDiscovery_OnAnInterfaceStillToCome_StillWorks() =>
        NeighbourIsFoundAsync(endpoint => endpoint with { Link = null, AwaitedInterfaces = [endpoint.InterfaceName!] });

    private async Task NeighbourIsFoundAsync(Func<Endpoint, Endpoint> change)
    {
        await using var node = CreateNode();
        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress), Isolated(2, Direction.Egress)], [], change(node.Endpoint(node.A, ingress: 1, egress: 2)));
        var address = node.A.Address(IpFamily.IPv6).ToString();

        node.Network.Node.Ip($"neigh replace {address} dev {node.A.HostInterface} use");

        await UntilAsync(
            () => node.Run("ip", "-6", "neigh", "show", address).Contains("lladdr", StringComparison.Ordinal),
            "the pod's answer to a neighbour solicitation");
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Fragments_OfAnAllowedDatagram_PassAndOfADeniedOneDoNot(IpFamily family)
    {
        await using var node = CreateNode();
        await using var allowed = UdpEcho.Start(node.B.Network, node.B.Address(family), 53);
        await using var denied = UdpEcho.Start(node.B.Network, node.B.Address(family), 54);
        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Udp, 53)))],
            [PeersOf(1, node.A)],
            node.Endpoint(node.B, ingress: 1));
        Task<ProbeOutcome> Probe(int port) =>
            Sockets.UdpFromAsync(node.A.Network, node.A.Address(family), node.B.Address(family), port, Limit, bytes: 1900);

        Assert.Equal(ProbeOutcome.Allowed, await Probe(53));
        Assert.Equal(ProbeOutcome.Denied, await Probe(54));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Options_BeforeTheTransportHeader_PortsAreReadWhereTheyAre(IpFamily family)
    {
        await using var node = CreateNode();
        await using var allowed = UdpEcho.Start(node.B.Network, node.B.Address(family), 53);
        await using var denied = UdpEcho.Start(node.B.Network, node.B.Address(family), 54);
        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Udp, 53)))],
            [PeersOf(1, node.A)],
            node.Endpoint(node.A),
            node.Endpoint(node.B, ingress: 1));

        Assert.Equal(ProbeOutcome.Allowed, await Sockets.UdpBehindOptionsAsync(node.A, node.B, family, 53, Limit));
        Assert.Equal(ProbeOutcome.Denied, await Sockets.UdpBehindOptionsAsync(node.A, node.B, family, 54, Limit));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Truncated_TransportHeader_IsDropped(IpFamily family)
    {
        await using var node = CreateNode();
        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Udp, 53)))],
            [PeersOf(1, node.A)],
            node.Endpoint(node.A),
            node.Endpoint(node.B, ingress: 1));

        Assert.Equal(ProbeOutcome.Allowed, await Sockets.UdpCutAsync(node.A, node.B, family, 53, 8, Limit));
        foreach (var bytes in new[] { 2, 4, 7 })
        {
            var expected = bytes >= 4 && Differences.Contains(NamedDifference.TruncatedPorts) ? ProbeOutcome.Allowed : ProbeOutcome.Denied;
            Assert.Equal(expected, await Sockets.UdpCutAsync(node.A, node.B, family, 53, bytes, Limit));
        }
    }

    /// <summary>A connection that was opened under some rules lives on when everything is denied, and no other is opened.</summary>
    private async Task KeepsAsync(IpFamily family, Func<PolicedNode, Task> applyBefore)
    {
        await using var node = CreateNode(EstablishedConnections.Keep);
        await using var echo = StreamEcho.Start(node.B, 80);
        await applyBefore(node);
        using var stream = await echo.ConnectAsync(node.A, node.B.Address(family));
        Assert.True(await stream.ExchangeAsync(Patience));

        await node.ApplyAsync(DenyAll(node));

        Assert.True(await stream.ExchangeAsync(Patience));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
    }

    private static ChangeSet DenyAll(PolicedNode node) => new()
    {
        Revision = 0,
        RuleSets = [Isolated(11, Direction.Ingress), Isolated(12, Direction.Egress)],
        Endpoints = [node.Endpoint(node.B, ingress: 11, egress: 12)],
    };
}
