using Portcullis.Host.Links;
using Portcullis.Host.Native;
using Portcullis.Net;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.Host.Links.Tests;

/// <summary>Every test has a network namespace of its own; they need root.</summary>
public sealed class LinkWatcherTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly NetworkNamespace _machine;
    private readonly LinkWatcher _watcher;

    public LinkWatcherTests()
    {
        Root.Require("ip");
        _machine = NetworkNamespace.Create($"pclinks-{Guid.NewGuid():N}"[..20]);
        _watcher = _machine.Run(LinkWatcher.Start);
    }

    public void Dispose()
    {
        _watcher.Dispose();
        _machine.Dispose();
    }

    [Fact]
    public void Start_ExistingLinkAddressAndRoute_AreKnownAtOnce()
    {
        _machine.Ip("""
            link add veth-a type veth peer name veth-b
            link set veth-a up
            addr add 10.9.0.1/32 dev veth-a
            addr add fd00:9::1/128 dev veth-a nodad
            route add 10.9.0.2/32 dev veth-a
            route add fd00:9::2/128 dev veth-a
            """);

        using var watcher = _machine.Run(LinkWatcher.Start);

        var table = watcher.Current;
        Assert.NotNull(table.Find("veth-a"));
        Assert.Equal(table.Find("veth-a"), table.FindByRouteTo(IpAddress.Parse("10.9.0.2")));
        Assert.Equal(table.Find("veth-a"), table.FindByRouteTo(IpAddress.Parse("fd00:9::2")));
        Assert.Contains(IpAddress.Parse("10.9.0.1"), table.OwnAddresses);
        Assert.Contains(IpAddress.Parse("fd00:9::1"), table.OwnAddresses);
        Assert.DoesNotContain(IpAddress.Parse("127.0.0.1"), table.OwnAddresses);
    }

    [Fact]
    public async Task Link_AppearsAndDisappears_IsFoundWhileItExists()
    {
        _machine.Ip("link add veth-a type veth peer name veth-b");
        var table = await Until(t => t.Find("veth-a") is not null && t.Find("veth-b") is not null, "veth-a and veth-b appear");
        Assert.Null(table.Find("veth-c"));

        _machine.Ip("link del veth-a");

        await Until(t => t.Find("veth-a") is null && t.Find("veth-b") is null, "veth-a and veth-b disappear");
    }

    [Fact]
    public async Task Link_ThatTakesNameAndIndexOfOneThatIsGone_IsAnotherLink()
    {
        _machine.Ip("link add veth-a index 77 type veth peer name veth-b");
        var before = (await Until(t => t.Find("veth-a") is not null, "veth-a appears")).Find("veth-a")!.Value;

        _machine.Ip("""
            link del veth-a
            link add veth-a index 77 type veth peer name veth-b
            """);

        var after = (await Until(t => t.Find("veth-a") is { } link && link != before, "another veth-a appears")).Find("veth-a")!.Value;
        Assert.Equal(("veth-a", 77), (after.Name, after.Index));
        _machine.Ip("link set veth-a up");
        var up = await Until(t => t.Links.TryGetValue(77, out var link) && link.IsUp, "veth-a is up");
        Assert.Equal(after, up.Find("veth-a"));
    }

    [Fact]
    public async Task Link_Renamed_IsFoundByItsNewNameOnly()
    {
        _machine.Ip("link add veth-a type veth peer name veth-b");
        var before = (await Until(t => t.Find("veth-a") is not null, "veth-a appears")).Find("veth-a")!.Value;

        _machine.Ip("link set veth-a name veth-z");

        var after = await Until(t => t.Find("veth-z") is not null, "veth-z appears");
        Assert.Equal(before.Index, after.Find("veth-z")!.Value.Index);
        Assert.Null(after.Find("veth-a"));
    }

    [Fact]
    public async Task Link_IndexGivenToAnother_NameAndRoutesFollowTheNewOne()
    {
        _machine.Ip("""
            link add veth-a index 700 type veth peer name veth-b
            link set veth-a up
            route add 10.9.0.2/32 dev veth-a
            """);
        await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.2"))?.Index == 700, "the route to 10.9.0.2 leads to index 700");

        _machine.Ip("""
            link del veth-a
            link add veth-n index 700 type veth peer name veth-m
            """);

        var table = await Until(t => t.Find("veth-n")?.Index == 700, "veth-n has index 700");
        Assert.Null(table.Find("veth-a"));
        Assert.Null(table.FindByRouteTo(IpAddress.Parse("10.9.0.2")));
    }

    [Theory]
    [InlineData("10.9.0.2", "10.9.0.2/32")]
    [InlineData("fd00:9::2", "fd00:9::2/128")]
    public async Task Route_AppearsLater_LeadsToTheInterfaceUntilItIsGone(string address, string prefix)
    {
        _machine.Ip("""
            link add veth-a type veth peer name veth-b
            link set veth-a up
            """);
        var link = (await Until(t => t.Find("veth-a") is not null, "veth-a appears")).Find("veth-a");
        Assert.Null(_watcher.Current.FindByRouteTo(IpAddress.Parse(address)));

        _machine.Ip($"route add {prefix} dev veth-a");
        await Until(t => t.FindByRouteTo(IpAddress.Parse(address)) == link, $"the route to {address} leads to veth-a");

        _machine.Ip($"route del {prefix} dev veth-a");
        await Until(t => t.FindByRouteTo(IpAddress.Parse(address)) is null, $"the route to {address} is gone");
    }

    [Fact]
    public async Task Route_InterfaceGoesDown_IsGoneAlthoughNotAnnounced()
    {
        _machine.Ip("""
            link add veth-a type veth peer name veth-b
            link set veth-a up
            route add 10.9.0.2/32 dev veth-a
            """);
        await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.2")) is not null, "the route to 10.9.0.2 appears");

        _machine.Ip("link set veth-a down");

        await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.2")) is null, "the route to 10.9.0.2 is gone with its interface down");
    }

    [Fact]
    public async Task Route_ItsSourceAddressIsRemoved_IsGoneAlthoughNotAnnounced()
    {
        _machine.Ip("""
            link add veth-a type veth peer name veth-b
            link set veth-a up
            addr add 10.9.0.1/32 dev veth-a
            route add 10.9.0.2/32 dev veth-a src 10.9.0.1
            """);
        await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.2")) is not null, "the route to 10.9.0.2 appears");

        _machine.Ip("addr del 10.9.0.1/32 dev veth-a");

        await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.2")) is null, "the route to 10.9.0.2 is gone with its source address");
    }

    [Fact]
    public async Task Route_Replaced_LeadsToTheNewInterface()
    {
        _machine.Ip("""
            link add veth-a type veth peer name veth-b
            link set veth-a up
            link set veth-b up
            route add 10.9.0.2/32 dev veth-a
            """);
        await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.2"))?.Name == "veth-a", "the route to 10.9.0.2 leads to veth-a");

        _machine.Ip("route replace 10.9.0.2/32 dev veth-b");

        await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.2"))?.Name == "veth-b", "the route to 10.9.0.2 leads to veth-b");
    }

    [Fact]
    public async Task Route_OfSubnetOnWorkloadInterface_LeadsToIt()
    {
        _machine.Ip("""
            link add veth-a type veth peer name veth-b
            link set veth-a up
            addr add 10.9.0.1/24 dev veth-a
            """);

        await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.77"))?.Name == "veth-a", "the subnet of veth-a leads to it");
    }

    [Fact]
    public async Task Route_ThroughUplinkGatewayOrLoopback_LeadsNowhere()
    {
        _machine.Ip("""
            link add uplink type veth peer name veth-b
            link set uplink up
            addr add 10.9.0.1/24 dev uplink
            route add default via 10.9.0.254
            route add 10.50.0.0/16 via 10.9.0.254
            route add 10.60.0.1/32 dev lo
            route add unreachable 10.70.0.0/16
            route add 10.99.0.1/32 dev uplink
            """);

        var table = await Until(t => t.Routes.ContainsKey(IpPrefix.Parse("10.99.0.1/32")), "the last route appears");

        Assert.All(
            ["8.8.8.8", "10.9.0.77", "10.50.0.1", "10.60.0.1", "10.70.0.1", "10.99.0.1"],
            address => Assert.Null(table.FindByRouteTo(IpAddress.Parse(address))));
    }

    [Fact]
    public async Task Route_OfSubnetOnOtherThanWorkloadInterface_LeadsNowhere()
    {
        _machine.Ip("""
            link add card type bridge
            link set card up
            addr add 10.9.0.1/24 dev card
            """);

        var table = await Until(t => t.Routes.ContainsKey(IpPrefix.Parse("10.9.0.0/24")), "the subnet's route appears");

        Assert.Null(table.FindByRouteTo(IpAddress.Parse("10.9.0.77")));
    }

    [Fact]
    public async Task Route_LongestPrefixIsBehindGateway_ShorterDirectRouteDoesNotCount()
    {
        _machine.Ip("""
            link add veth-a type veth peer name veth-b
            link set veth-a up
            addr add 10.9.0.1/24 dev veth-a
            route add 10.9.0.128/25 via 10.9.0.2
            """);

        var table = await Until(t => t.Routes.ContainsKey(IpPrefix.Parse("10.9.0.128/25")), "the longer route appears");

        Assert.Equal("veth-a", table.FindByRouteTo(IpAddress.Parse("10.9.0.77"))?.Name);
        Assert.Null(table.FindByRouteTo(IpAddress.Parse("10.9.0.200")));
    }

    [Fact]
    public async Task Route_InOtherTable_DoesNotCount()
    {
        _machine.Ip("""
            link add veth-a type veth peer name veth-b
            link set veth-a up
            route add 10.9.0.2/32 dev veth-a table 77
            route add 10.9.0.3/32 dev veth-a
            """);

        var table = await Until(t => t.FindByRouteTo(IpAddress.Parse("10.9.0.3")) is not null, "the main-table route appears");

        Assert.Null(table.FindByRouteTo(IpAddress.Parse("10.9.0.2")));
    }

    [Fact]
    public async Task Address_AddedAndRemoved_IsOwnMeanwhile()
    {
        _machine.Ip("""
            link add card type bridge
            link set card up
            addr add 10.9.0.1/24 dev card
            addr add fd00:9::1/64 dev card nodad
            """);
        await Until(
            t => t.OwnAddresses.Contains(IpAddress.Parse("10.9.0.1")) && t.OwnAddresses.Contains(IpAddress.Parse("fd00:9::1")),
            "both addresses are own");

        _machine.Ip("""
            addr del 10.9.0.1/24 dev card
            addr del fd00:9::1/64 dev card
            """);

        await Until(
            t => !t.OwnAddresses.Contains(IpAddress.Parse("10.9.0.1")) && !t.OwnAddresses.Contains(IpAddress.Parse("fd00:9::1")),
            "neither address is own");
    }

    [Fact]
    public async Task BridgePort_LeavesItsBridge_IsStillThere()
    {
        _machine.Ip("""
            link add br0 type bridge
            link add veth-a type veth peer name veth-b
            link set veth-a master br0
            link set veth-a nomaster
            link add last type bridge
            """);

        var table = await Until(t => t.Find("last") is not null, "the last interface appears");

        Assert.NotNull(table.Find("veth-a"));
    }

    [Theory]
    [InlineData("10.9.0.1/24", "10.9.0.2")]
    [InlineData("fd00:9::1/64", "fd00:9::2")]
    public async Task Bridge_WorkloadWasHeard_IsBehindItsPort(string own, string workload)
    {
        using var inside = NetworkNamespace.Create($"{_machine.Name}-in");
        var dad = workload.Contains(':', StringComparison.Ordinal) ? " nodad" : string.Empty;
        _machine.Ip($"""
            link add br0 type bridge
            addr add {own} dev br0{dad}
            link set br0 up
            link add port-a type veth peer name eth0 netns {inside.Name}
            link set port-a master br0 up
            """);
        inside.Ip($"""
            link set eth0 up
            addr add {workload}/{own[^2..]} dev eth0{dad}
            """);
        var address = IpAddress.Parse(workload);
        await Until(t => t.Find("port-a") is not null && t.Routes.Keys.Any(prefix => prefix.Contains(address)), "the bridge has a route");
        Assert.Null(_watcher.Current.FindByRouteTo(address));

        using var socket = _machine.Run(() => new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp));
        socket.SendTo("hello"u8, new System.Net.IPEndPoint(address.ToIPAddress(), 9));
        var table = await Until(t => t.FindByRouteTo(address) is not null, "the workload was heard");
        var port = table.Find("port-a");
        Assert.Equal(port, table.FindByRouteTo(address));

        _machine.Ip("""
            link set port-a type bridge_slave fdb_flush
            neigh flush dev br0
            """);
        table = await Until(t => t.FindByRouteTo(address) is null, "the bridge forgot it");
        Assert.Equal(port, table.FindByRouteTo(address, port));

        _machine.Ip("link set port-a nomaster");
        table = await Until(t => t.FindByRouteTo(address, port) is null, "the port left the bridge");
        Assert.NotNull(table.Find("port-a"));
    }

    [Fact]
    public async Task Burst_OfFiveHundredLinksAndRoutes_IsWholeInTheEnd()
    {
        var commands = Enumerable.Range(0, 500).SelectMany(i => new[]
        {
            $"link add v{i} type veth peer name w{i}",
            $"link set v{i} up",
            $"route add 10.8.{i / 250}.{i % 250}/32 dev v{i}",
        });
        _machine.Ip(string.Join('\n', commands));

        var table = await Until(
            t => Enumerable.Range(0, 500).All(i => t.FindByRouteTo(IpAddress.Parse($"10.8.{i / 250}.{i % 250}"))?.Name == $"v{i}"),
            "all 500 routes lead to their interfaces");
        Assert.Equal(1001, table.Links.Count);

        _machine.Ip(string.Join('\n', Enumerable.Range(0, 500).Select(i => $"link del v{i}")));

        var last = await Until(t => t.Links.Count == 1, "only loopback is left");
        Assert.DoesNotContain(last.Routes.Keys, prefix => prefix.Family == IpFamily.IPv4);
    }

    [Fact]
    public async Task Dispose_ChangesComplete()
    {
        _watcher.Dispose();

        await _watcher.Changes.Completion.WaitAsync(Deadline, TestContext.Current.CancellationToken);
    }

    private async Task<LinkTable> Until(Func<LinkTable, bool> condition, string what)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(Deadline);
        var table = _watcher.Current;
        try
        {
            while (!condition(table))
            {
                table = await _watcher.Changes.ReadAsync(deadline.Token);
            }

            return table;
        }
        catch (OperationCanceledException exception) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"not within {Deadline.TotalSeconds} s: {what}; interfaces: {string.Join(' ', table.Names.Keys)}", exception);
        }
    }
}
