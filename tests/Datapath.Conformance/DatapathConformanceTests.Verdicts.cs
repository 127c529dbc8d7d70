using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;
using static Portcullis.Datapath.Conformance.PolicedNode;

namespace Portcullis.Datapath.Conformance;

/// <summary>What passes and what does not.</summary>
public abstract partial class DatapathConformanceTests
{
    [Theory]
    [MemberData(nameof(Families))]
    public async Task Ingress_Isolated_OnlyAllowedPeerAndPortPass(IpFamily family)
    {
        await using var node = CreateNode();
        await using var allowed = HttpResponder.Start(node.B.Network, 80);
        await using var other = HttpResponder.Start(node.B.Network, 81);
        await using var udp = UdpEcho.Start(node.B.Network, node.B.Address(family), 80);

        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Tcp, 80)))],
            [PeersOf(1, node.A)],
            node.Endpoint(node.B, ingress: 1));

        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 81));
        Assert.Equal(ProbeOutcome.Denied, await UdpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Denied, await TcpProbe.ConnectAsync(
            node.Network.Node, node.B.Address(family), 80, Limit, TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Egress_Isolated_OnlyAllowedPeerAndPortPassAndRepliesReturn(IpFamily family)
    {
        await using var node = CreateNode();
        await using var http = HttpResponder.Start(node.B.Network, 80);
        await using var back = HttpResponder.Start(node.A.Network, 80);
        await using var udp = UdpEcho.Start(node.B.Network, node.B.Address(family), 53);

        await node.ReplaceAsync(
            [
                Isolated(1, Direction.Egress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Tcp, 80), Port(IpProtocol.Udp, 53))),
                Isolated(2, Direction.Ingress),
            ],
            [PeersOf(1, node.B)],
            node.Endpoint(node.A, ingress: 2, egress: 1));

        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Allowed, await UdpAsync(node.A, node.B, family, 53));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 81));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.B, node.A, family, 80));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Tiers_DenyPassAndBaseline_DecideInOrder(IpFamily family)
    {
        await using var node = CreateNode();
        await using var ports = new Responders(node.B, 80, 81, 82, 83);
        var tcp = (ushort port) => Port(IpProtocol.Tcp, port);

        await node.ReplaceAsync(
            [
                new RuleSet(new(1), Direction.Ingress, [
                    new RuleTier(RuleTierKind.Admin, [
                        Rule(RuleAction.Pass, 1, tcp(80)), Rule(RuleAction.Deny, 1, tcp(80), tcp(81)), Rule(RuleAction.Accept, null, tcp(82)),
                    ]),
                    new RuleTier(RuleTierKind.NetworkPolicy, [Rule(RuleAction.Accept, 1, tcp(80), tcp(81))]),
                    new RuleTier(RuleTierKind.Baseline, [Rule(RuleAction.Deny, null)]),
                ]),
            ],
            [PeersOf(1, node.A)],
            node.Endpoint(node.B, ingress: 1));

        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 81));
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 82));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 83));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task PeerSet_Delta_TakesEffect(IpFamily family)
    {
        await using var node = CreateNode();
        await using var http = HttpResponder.Start(node.B.Network, 80);
        var all = family == IpFamily.IPv4 ? "0.0.0.0/0" : "::/0";
        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1))], [Peers(1)], node.Endpoint(node.B, ingress: 1));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));

        await node.ApplyAsync(new ChangeSet { Revision = 0, PeerSets = [Peers(1, all)] });
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));

        await node.ApplyAsync(new ChangeSet { Revision = 0, PeerSets = [Peers(1) with { Removed = [IpPrefix.Parse(all)] }] });
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task RuleSet_Changed_AppliesToNewConnectionsAndOldOnesAlike(IpFamily family)
    {
        await using var node = CreateNode();
        await using var echo = StreamEcho.Start(node.B, 80);
        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1)), Isolated(2, Direction.Egress)],
            [PeersOf(1, node.A)],
            node.Endpoint(node.B, ingress: 1, egress: 2));
        using var stream = await echo.ConnectAsync(node.A, node.B.Address(family));
        Assert.True(await stream.ExchangeAsync(Patience));

        await node.ApplyAsync(new ChangeSet
        {
            Revision = 0,
            RuleSets = [Isolated(3, Direction.Ingress)],
            Endpoints = [node.Endpoint(node.B, ingress: 3, egress: 2)],
            RemovedRuleSets = [new(1)],
            RemovedPeerSets = [new(1)],
        });

        Assert.False(await stream.ExchangeAsync(Limit));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
        Assert.False(await echo.PushAsync(Limit), "the server's own data still passes as a reply to a flow that is denied now");
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task NodeAddress_NotInAnyRule_IsDeniedOnInputAndOutput(IpFamily family)
    {
        await using var node = CreateNode();
        await using var server = new Responders(node.Network.Node, 80);
        var address = IpAddress.Parse(family == IpFamily.IPv4 ? "10.214.0.1" : "fd00:214::1");
        Task<ProbeOutcome> Probe() =>
            TcpProbe.ConnectAsync(node.A.Network, address, 80, Limit, TestContext.Current.CancellationToken);
        Assert.Equal(ProbeOutcome.Allowed, await Probe());

        await node.ReplaceAsync([Isolated(1, Direction.Egress)], [], node.Endpoint(node.A, egress: 1));
        Assert.Equal(ProbeOutcome.Denied, await Probe());

        await node.ReplaceAsync(
            [
                new RuleSet(new(1), Direction.Egress, [
                    new RuleTier(RuleTierKind.Node, [Rule(RuleAction.Accept, 1)]),
                    new RuleTier(RuleTierKind.NetworkPolicy, [], Reference("policy")),
                ]),
            ],
            [new PeerSetDelta(new(1), "node", [IpPrefix.Host(address)], [])],
            node.Endpoint(node.A, egress: 1));
        Assert.Equal(ProbeOutcome.Allowed, await Probe());
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Source_NotTheWorkloads_IsDroppedUnlessSpoofingIsAllowed(IpFamily family)
    {
        await using var node = CreateNode();
        var (foreign, length) = family == IpFamily.IPv4 ? ("10.214.9.9", 32) : ("fd00:214::99", 128);
        node.A.Network.Ip($"addr add {foreign}/{length} dev eth0");
        node.Network.Node.Ip($"route add {foreign}/{length} dev {node.A.HostInterface}");
        await using var udp = UdpEcho.Start(node.B.Network, node.B.Address(family), 53);
        Task<ProbeOutcome> Probe() => Sockets.UdpFromAsync(node.A.Network, IpAddress.Parse(foreign), node.B.Address(family), 53, Limit);
        Assert.Equal(ProbeOutcome.Allowed, await Probe());

        await node.ReplaceAsync([], [], node.Endpoint(node.A), node.Endpoint(node.B));

        Assert.Equal(ProbeOutcome.Denied, await Probe());
        Assert.Equal(ProbeOutcome.Allowed, await UdpAsync(node.A, node.B, family, 53));
    }
}
