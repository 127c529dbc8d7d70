using Portcullis.Host.Demo;
using Portcullis.Host.Links;
using Portcullis.Host.Native;
using Portcullis.Net;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.Host.Links.Tests;

/// <summary>They need root.</summary>
public sealed class PodNetworkTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    private readonly string _prefix;
    private readonly PodNetwork _network;
    private readonly NetworkPod _client;
    private readonly NetworkPod _server;

    public PodNetworkTests()
    {
        Root.Require("ip");
        _prefix = $"pcpods-{Guid.NewGuid():N}"[..15];
        _network = PodNetwork.Create(_prefix, IpAddress.Parse("10.213.0.1"), IpAddress.Parse("fd00:213::1"));
        _client = _network.AddPod(new("default", "client"), IpAddress.Parse("10.213.0.2"), IpAddress.Parse("fd00:213::2"));
        _server = _network.AddPod(new("default", "server"), IpAddress.Parse("10.213.0.3"), IpAddress.Parse("fd00:213::3"));
    }

    public void Dispose() => _network.Dispose();

    [Theory]
    [InlineData(IpFamily.IPv4)]
    [InlineData(IpFamily.IPv6)]
    public async Task Pods_WithoutAgent_ReachEachOtherByHttpTcpAndUdp(IpFamily family)
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var http = HttpResponder.Start(_server.Network, 80);
        await using var udp = UdpEcho.Start(_server.Network, _server.Address(family), 53);

        Assert.Equal(ProbeOutcome.Allowed, await HttpProbe.GetAsync(_client.Network, _server.Address(family), 80, Limit, cancellation));
        Assert.Equal(ProbeOutcome.Allowed, await TcpProbe.ConnectAsync(_client.Network, _server.Address(family), 80, Limit, cancellation));
        Assert.Equal(ProbeOutcome.Allowed, await UdpEcho.ProbeAsync(_client.Network, _server.Address(family), 53, Limit, cancellation));
        Assert.Equal(ProbeOutcome.Allowed, await HttpProbe.GetAsync(_network.Node, _server.Address(family), 80, Limit, cancellation));
        Assert.Equal(ProbeOutcome.Failed, await HttpProbe.GetAsync(_client.Network, _server.Address(family), 81, Limit, cancellation));
    }

    [Theory]
    [InlineData(IpFamily.IPv4)]
    [InlineData(IpFamily.IPv6)]
    public async Task Probe_PacketsAreDropped_IsDenied(IpFamily family)
    {
        await using var http = HttpResponder.Start(_server.Network, 80);
        _network.Node.Ip($"route replace blackhole {IpPrefix.Host(_client.Address(family))}");

        var outcome = await HttpProbe.GetAsync(
            _client.Network, _server.Address(family), 80, TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken);

        Assert.Equal(ProbeOutcome.Denied, outcome);
    }

    [Fact]
    public void HostInterface_IsFoundByTheRouteToThePod()
    {
        using var watcher = _network.Node.Run(LinkWatcher.Start);

        Assert.Equal(_client.HostInterface, watcher.Current.FindByRouteTo(_client.Address(IpFamily.IPv4))?.Name);
        Assert.Equal(_client.HostInterface, watcher.Current.FindByRouteTo(_client.Address(IpFamily.IPv6))?.Name);
        Assert.Contains(IpAddress.Parse("10.213.0.1"), watcher.Current.OwnAddresses);
    }

    [Fact]
    public void RemoveRemains_OfAKilledProcess_LeavesNoNamespace()
    {
        Assert.Equal(3, NetworkNamespace.List(_prefix + "-").Count);
        using var other = PodNetwork.Create($"{_prefix}x", IpAddress.Parse("10.213.0.1"));

        var removed = PodNetwork.RemoveRemains($"{_prefix}x");

        Assert.Equal([$"{_prefix}x-node"], removed);
        Assert.Empty(NetworkNamespace.List($"{_prefix}x-"));
        Assert.Equal(3, NetworkNamespace.List(_prefix + "-").Count);
    }
}
