using Portcullis.Datapath.Conformance;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;
using static Portcullis.Datapath.Conformance.PolicedNode;

namespace Portcullis.Datapath.Iptables.Tests;

/// <summary>What only a datapath in netfilter does, or has to mind. They need root.</summary>
public sealed class NetfilterOnlyTests
{
    public static TheoryData<string, IpFamily> Everywhere => new()
    {
        { "nft", IpFamily.IPv4 },
        { "nft", IpFamily.IPv6 },
        { "legacy", IpFamily.IPv4 },
        { "legacy", IpFamily.IPv6 },
    };

    [Theory]
    [MemberData(nameof(Everywhere))]
    public async Task OwnAddress_ThroughATranslatedService_IsAllowedUnderIsolation(string backend, IpFamily family)
    {
        await using var node = new Node(backend);
        await using var http = HttpResponder.Start(node.B.Network, 80);
        var (program, service) = family == IpFamily.IPv4 ? ("iptables", "10.214.9.80") : ("ip6tables", "fd00:214::80");
        var pod = node.B.Address(family).ToString();
        node.RunWithInput($"{program}-{backend}-restore", $"""
            *nat
            -A PREROUTING -d {service} -p tcp -j DNAT --to-destination {pod}
            -A POSTROUTING -s {pod} -d {pod} -j MASQUERADE
            COMMIT

            """, "--noflush");
        Task<ProbeOutcome> Probe(NetworkPod from) =>
            TcpProbe.ConnectAsync(from.Network, IpAddress.Parse(service), 80, Limit, TestContext.Current.CancellationToken);
        Assert.Equal(ProbeOutcome.Allowed, await Probe(node.B));

        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress), Isolated(2, Direction.Egress)], [], node.Endpoint(node.B, ingress: 1, egress: 2), node.Endpoint(node.A));

        Assert.Equal(ProbeOutcome.Allowed, await Probe(node.B));
        Assert.Equal(ProbeOutcome.Denied, await Probe(node.A));
    }

    [Theory]
    [InlineData("nft", "veth+")]
    [InlineData("legacy", "veth+")]
    [InlineData("nft", "abcdefghijklmn+")]
    [InlineData("legacy", "abcdefghijklmn+")]
    [InlineData("nft", "a,b'c!\\é")]
    [InlineData("legacy", "a,b'c!\\é")]
    [InlineData("nft", "-i")]
    [InlineData("legacy", "!")]
    public async Task Interface_OfANameThatRulesCannotHold_IsClosedAndReported(string backend, string name)
    {
        await using var node = new Node(backend);
        await using var mine = HttpResponder.Start(node.A.Network, 80);
        await using var http = HttpResponder.Start(node.B.Network, 80);
        Rename(node, name);
        var endpoint = node.Endpoint(node.B) with { Link = new Link(name, IndexOf(node.Network.Node, name)) };
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));

        var result = await node.ReplaceAsync([], [], node.Endpoint(node.A), endpoint);

        Assert.Contains($"'{name}'", Assert.Single(result.Problems).Message, StringComparison.Ordinal);
        foreach (var family in new[] { IpFamily.IPv4, IpFamily.IPv6 })
        {
            Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, family, 80));
            Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.B, node.A, family, 80));
            Assert.Equal(ProbeOutcome.Denied, await TcpProbe.ConnectAsync(
                node.Network.Node, node.B.Address(family), 80, Limit, TestContext.Current.CancellationToken));
        }

        await node.Datapath.LookForDriftAsync();
        Assert.Equal(0, node.Datapath.GetStatus().DriftRepairs);
        Rename(node, node.B.HostInterface, name);
        Assert.Empty((await node.ApplyAsync(new ChangeSet { Revision = 0, Endpoints = [node.Endpoint(node.B)] })).Problems);
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv6, 80));
    }

    // Routes go with an interface that is down.
    private static void Rename(Node node, string name, string? from = null)
    {
        var before = from ?? node.B.HostInterface;
        node.Run("ip", "link", "set", "dev", before, "down");
        node.Run("ip", "link", "set", "dev", before, "name", name);
        node.Run("ip", "link", "set", "dev", name, "up");
        foreach (var address in node.B.Addresses)
        {
            node.Run("ip", "route", "replace", IpPrefix.Host(address).ToString(), "dev", name);
        }
    }
}
