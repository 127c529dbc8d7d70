using Portcullis.Datapaths;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;
using static Portcullis.Datapath.Conformance.PolicedNode;

namespace Portcullis.Datapath.Conformance;

/// <summary>
/// What every datapath must do, with real packets between network namespaces. Each datapath's own tests run it; where one does
/// otherwise, it names the difference. Needs root.
/// </summary>
public abstract partial class DatapathConformanceTests
{
    public static TheoryData<IpFamily> Families => [IpFamily.IPv4, IpFamily.IPv6];

    /// <summary>A node with the datapath under test.</summary>
    internal abstract PolicedNode CreateNode(EstablishedConnections established = EstablishedConnections.Enforce);

    /// <summary>Where the datapath does otherwise, and must.</summary>
    internal virtual IReadOnlyList<NamedDifference> Differences => [];

    /// <summary>Why the kernel lets an interface that is still to come be open until its rules are there; null: it does not.</summary>
    internal virtual string? OpenAtFirst => null;

    /// <summary>Does what somebody else could do to stop the datapath from enforcing.</summary>
    internal abstract void Sabotage(PolicedNode node);

    /// <summary>What the datapath has in the kernel, apart from what anybody else has; empty: nothing.</summary>
    internal abstract string KernelState(PolicedNode node);

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Restart_OfTheProcess_NeverStopsEnforcingAndTakesOver(IpFamily family)
    {
        await using var node = CreateNode();
        await using var http = HttpResponder.Start(node.B.Network, 80);
        await node.ReplaceAsync([Isolated(1, Direction.Ingress)], [], node.Endpoint(node.A), node.Endpoint(node.B, ingress: 1));

        await node.RestartAsync();
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1))], [PeersOf(1, node.A)], node.Endpoint(node.A), node.Endpoint(node.B, ingress: 1));
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));

        await node.ApplyAsync(new ChangeSet { Revision = 0, PeerSets = [new PeerSetDelta(new(1), "set 1", [], [.. node.A.Addresses.Items.Select(IpPrefix.Host)])] });
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
    }

    [Fact]
    public async Task Sabotage_BySomebodyElse_IsRepairedAndCounted()
    {
        await using var node = CreateNode();
        await using var http = HttpResponder.Start(node.B.Network, 80);
        await node.ReplaceAsync([Isolated(1, Direction.Ingress)], [], node.Endpoint(node.A), node.Endpoint(node.B, ingress: 1));
        var before = node.Datapath.GetStatus().DriftRepairs;

        Sabotage(node);

        await UntilAsync(() => node.Datapath.GetStatus().DriftRepairs > before, "a repair");
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv6, 80));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Cleanup_AfterEnforcing_LeavesNothingAndDeniesNothing(IpFamily family)
    {
        await using var node = CreateNode();
        await using var http = HttpResponder.Start(node.B.Network, 80);
        await node.ReplaceAsync([Isolated(1, Direction.Ingress)], [], node.Endpoint(node.A), node.Endpoint(node.B, ingress: 1));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
        Assert.NotEmpty(KernelState(node));

        Assert.NotEmpty(await node.CleanupAsync());

        Assert.Empty(KernelState(node));
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));
        Assert.Empty(await node.CleanupAsync());
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Interface_StillToCome_IsClosedFromItsFirstPacketAndOpensOnceItIsThere(IpFamily family)
    {
        if (OpenAtFirst is { } reason)
        {
            Assert.Skip(reason);
        }

        await using var node = CreateNode();
        await using var mine = HttpResponder.Start(node.A.Network, 80);
        await using var http = HttpResponder.Start(node.B.Network, 80);
        var there = node.Endpoint(node.B, ingress: 1, egress: 2);
        var awaited = there with { Link = null, Addresses = [], AwaitedInterfaces = ["notthere0", node.B.HostInterface] };
        RuleSet[] rules = [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1)), Isolated(2, Direction.Egress)];

        // Nobody has told the datapath that the interface is there.
        await node.ReplaceAsync(rules, [Peers(1)], awaited);
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.B, node.A, family, 80));
        Assert.Contains(node.Datapath.GetStatus().Packets, counter => counter is { Direction: Direction.Egress, Verdict: FlowVerdict.Deny, Packets: > 0 });

        await node.ApplyAsync(new ChangeSet { Revision = 0, PeerSets = [new PeerSetDelta(new(1), "set 1", [.. node.A.Addresses.Items.Select(IpPrefix.Host)], [])], Endpoints = [there] });
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.B, node.A, family, 80));

        // Gone without a rule for what comes next: closed again, until nobody waits any more.
        await node.ApplyAsync(new ChangeSet { Revision = 0, Endpoints = [awaited] });
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.B, node.A, family, 80));
        await node.ApplyAsync(new ChangeSet { Revision = 0, RemovedEndpoints = [there.Workload] });
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.B, node.A, family, 80));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Interface_StillToCome_IsOpenWherePolicyIsAbsentOrOnlyAudited(IpFamily family)
    {
        await using var node = CreateNode();
        await using var http = HttpResponder.Start(node.B.Network, 80);
        await using var echo = UdpEcho.Start(node.A.Network, node.A.Address(family), 7);
        var isolated = Isolated(1, Direction.Ingress);
        var endpoint = node.Endpoint(node.B, ingress: 1) with { Link = null, AwaitedInterfaces = [node.B.HostInterface] };

        await node.ReplaceAsync([isolated with { Tiers = [], Audit = isolated.Tiers }], [], endpoint);

        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Allowed, await UdpAsync(node.B, node.A, family, 7));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Interface_OfTwoWorkloads_IsClosedAndReported(IpFamily family)
    {
        await using var node = CreateNode();
        await using var mine = HttpResponder.Start(node.A.Network, 80);
        await using var http = HttpResponder.Start(node.B.Network, 80);
        var endpoint = node.Endpoint(node.B);

        var result = await node.ReplaceAsync([], [], endpoint, endpoint with { Workload = new("default", "c") });

        Assert.Equal(FindingSeverity.Error, Assert.Single(result.Problems).Severity);
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.B, node.A, family, 80));
        Assert.Empty((await node.ApplyAsync(new ChangeSet { Revision = 0, RemovedEndpoints = [new("default", "c")] })).Problems);
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, family, 80));
    }
}
