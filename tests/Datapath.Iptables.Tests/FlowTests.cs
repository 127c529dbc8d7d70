using Portcullis.Datapath.Conformance;
using Portcullis.Datapaths;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;
using static Portcullis.Datapath.Conformance.PolicedNode;

namespace Portcullis.Datapath.Iptables.Tests;

/// <summary>What is reported about packets, and counted. They need root.</summary>
public sealed class FlowTests
{
    [Theory]
    [MemberData(nameof(NetfilterOnlyTests.Everywhere), MemberType = typeof(NetfilterOnlyTests))]
    public async Task Flows_AllowedAndDenied_NameEndpointAndRule(string backend, IpFamily family)
    {
        await using var node = new Node(backend);
        await using var http = new Responders(node.B, 80, 81);
        await node.ReplaceAsync(
            [
                new RuleSet(new(1), Direction.Ingress, [
                    new RuleTier(RuleTierKind.NetworkPolicy, [
                        new Rule(RuleAction.Accept, [new PeerSetId(1)], [Port(IpProtocol.Tcp, 80)], Reference("web", 3)),
                    ], Reference("web")),
                ]),
            ],
            [PeersOf(1, node.A)],
            node.Endpoint(node.B, ingress: 1));
        await using var flows = await FlowRecorder.StartAsync(node);

        await TcpAsync(node.A, node.B, family, 80);
        await TcpAsync(node.A, node.B, family, 81);

        var allowed = await flows.FirstAsync(flow => flow.DestinationPort == 80);
        var denied = await flows.FirstAsync(flow => flow.DestinationPort == 81);
        Assert.Equal((FlowVerdict.Allow, "allowed", Reference("web", 3)), (allowed.Verdict, allowed.Reason, allowed.Rule));
        Assert.Equal((FlowVerdict.Deny, "isolated", Reference("web")), (denied.Verdict, denied.Reason, denied.Rule));
        Assert.All([allowed, denied], flow =>
        {
            Assert.Equal(node.B.Name, flow.Workload);
            Assert.Equal(Direction.Ingress, flow.Direction);
            Assert.Equal(node.A.Address(family), flow.Source);
            Assert.Equal(node.B.Address(family), flow.Destination);
            Assert.Equal((byte)IpProtocol.Tcp, flow.Protocol);
            Assert.NotEqual(0, flow.SourcePort);
        });
    }

    [Theory]
    [MemberData(nameof(NetfilterOnlyTests.Everywhere), MemberType = typeof(NetfilterOnlyTests))]
    public async Task Audit_WouldDeny_PassesAndIsReportedAndCounted(string backend, IpFamily family)
    {
        await using var node = new Node(backend);
        await using var http = HttpResponder.Start(node.B.Network, 80);
        await node.ReplaceAsync(
            [
                new RuleSet(new(1), Direction.Ingress, [], Audit: [new RuleTier(RuleTierKind.NetworkPolicy, [], Reference("trial"))]),
            ],
            [],
            node.Endpoint(node.B, ingress: 1));
        await using var flows = await FlowRecorder.StartAsync(node);

        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));

        var audited = await flows.FirstAsync(flow => flow.Verdict == FlowVerdict.AuditDeny);
        Assert.Equal(("audit", Reference("trial"), node.B.Name), (audited.Reason, audited.Rule, audited.Workload));
        Assert.True(CountOf(node, Direction.Ingress, "audit") > 0);
        Assert.True(CountOf(node, Direction.Ingress, "allowed") > 0);
    }

    [Theory]
    [InlineData("nft")]
    [InlineData("legacy")]
    public async Task Counters_AcrossARebuild_GoOn(string backend)
    {
        await using var node = new Node(backend);
        await using var http = HttpResponder.Start(node.B.Network, 80);
        await node.ReplaceAsync([Isolated(1, Direction.Ingress)], [], node.Endpoint(node.B, ingress: 1));
        await TcpAsync(node.A, node.B, IpFamily.IPv4, 80);
        var first = CountOf(node, Direction.Ingress, "isolated");
        Assert.True(first > 0);

        await node.ReplaceAsync([Isolated(1, Direction.Ingress)], [], node.Endpoint(node.B, ingress: 1));
        await TcpAsync(node.A, node.B, IpFamily.IPv6, 80);

        node.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(CountOf(node, Direction.Ingress, "isolated") > first);
    }

    [Theory]
    [InlineData("nft")]
    [InlineData("legacy")]
    public async Task Flows_Spoofed_AreReportedForTheSender(string backend)
    {
        await using var node = new Node(backend);
        node.A.Network.Ip("addr add 10.214.9.9/32 dev eth0");
        await node.ReplaceAsync([], [], node.Endpoint(node.A));
        await using var flows = await FlowRecorder.StartAsync(node);

        await Sockets.UdpFromAsync(node.A.Network, IpAddress.Parse("10.214.9.9"), node.B.Address(IpFamily.IPv4), 53, Limit);

        var spoofed = await flows.FirstAsync(flow => flow.Reason == "spoofed");
        Assert.Equal((node.A.Name, Direction.Egress, FlowVerdict.Deny, null), (spoofed.Workload, spoofed.Direction, spoofed.Verdict, spoofed.Rule));
    }

    private static long CountOf(Node node, Direction direction, string reason) =>
        node.Datapath.GetStatus().Packets.Single(counter => counter.Direction == direction && counter.Reason == reason).Packets;

    /// <summary>Keeps the events of a datapath.</summary>
    private sealed class FlowRecorder : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly IAsyncEnumerator<FlowEvent> _flows;
        private readonly List<FlowEvent> _seen = [];
        private Task<bool> _next;

        private FlowRecorder(Node node)
        {
            _flows = node.Datapath.WatchFlowsAsync(_stop.Token).GetAsyncEnumerator(_stop.Token);
            _next = _flows.MoveNextAsync().AsTask();
        }

        public static async Task<FlowRecorder> StartAsync(Node node)
        {
            var recorder = new FlowRecorder(node);

            // Requests are served in order: the log is open once a later one was.
            await node.Datapath.ProbeAsync(TestContext.Current.CancellationToken);
            return recorder;
        }

        public async Task<FlowEvent> FirstAsync(Func<FlowEvent, bool> isWanted)
        {
            while (true)
            {
                if (_seen.Find(flow => isWanted(flow)) is { } found)
                {
                    return found;
                }

                await _next.WaitAsync(Patience, TestContext.Current.CancellationToken);
                _seen.Add(_flows.Current);
                _next = _flows.MoveNextAsync().AsTask();
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                while (await _next)
                {
                    _next = _flows.MoveNextAsync().AsTask();
                }
            });
            await _flows.DisposeAsync();
            _stop.Dispose();
        }
    }
}
