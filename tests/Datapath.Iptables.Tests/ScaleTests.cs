using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;
using static Portcullis.Datapath.Conformance.PolicedNode;

namespace Portcullis.Datapath.Iptables.Tests;

/// <summary>What changes and packets cost in a large world; the figures are in the test output. They need root.</summary>
[Collection(nameof(ScaleTests))]
[CollectionDefinition(nameof(ScaleTests), DisableParallelization = true)]
public sealed class ScaleTests
{
    private const int RuleSets = 1000;
    private const int PeerSets = 100;
    private const int PrefixesPerSet = 100;
    private const int Endpoints = 500;

    [Theory]
    [InlineData("nft")]
    [InlineData("legacy")]
    public async Task Apply_TenThousandPeersAndAThousandRuleSets_IsQuickAndSoIsOnePod(string backend)
    {
        await using var node = new Node(backend);
        var world = World(node, Endpoints);

        var first = await TimedAsync(() => node.ApplyAsync(world));
        var again = await TimedAsync(() => node.ApplyAsync(world));
        var remote = await MedianAsync(round => node.ApplyAsync(new ChangeSet
        {
            Revision = 0,
            PeerSets =
            [
                Peers(1, $"10.99.0.{round}/32", $"fd99::{round}/128"),
                Peers(2) with { Removed = [IpPrefix.Parse($"10.99.0.{round}/32")] },
            ],
        }));
        var local = await MedianAsync(round => node.ApplyAsync(new ChangeSet
        {
            Revision = 0,
            PeerSets = [Peers(1, $"10.98.0.{round}/32")],
            Endpoints = [EndpointOf(5000 + round, 1 + (2 * round))],
        }));
        var policy = await MedianAsync(round => node.ApplyAsync(new ChangeSet
        {
            Revision = 0,
            RuleSets = [RuleSetOf(5001 + (2 * round))],
            Endpoints = [EndpointOf(7, 5001 + (2 * round))],
            RemovedRuleSets = round == 0 ? [] : [new RuleSetId(4999 + (2 * round))],
        }));

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{backend}: whole world {first.TotalMilliseconds:F0} ms, again {again.TotalMilliseconds:F0} ms; "
            + $"medians: remote pod {remote.TotalMilliseconds:F1} ms, local pod {local.TotalMilliseconds:F1} ms, policy {policy.TotalMilliseconds:F1} ms");

        Target.AtMost($"{backend}: whole world", first.TotalSeconds, 3, "s", TestContext.Current.TestOutputHelper!.WriteLine);
        Target.AtMost($"{backend}: whole world again", again.TotalSeconds, 3, "s", TestContext.Current.TestOutputHelper!.WriteLine);
        Target.AtMost($"{backend}: one remote pod", remote.TotalMilliseconds, 50, "ms", TestContext.Current.TestOutputHelper!.WriteLine);
        Target.AtMost($"{backend}: one local pod", local.TotalMilliseconds, 50, "ms", TestContext.Current.TestOutputHelper!.WriteLine);
        Target.AtMost($"{backend}: one policy", policy.TotalMilliseconds, 50, "ms", TestContext.Current.TestOutputHelper!.WriteLine);
    }

    [Theory]
    [InlineData("nft")]
    [InlineData("legacy")]
    public async Task Packet_WithMoreEndpointsAndPeers_CostsTheSame(string backend)
    {
        await using var few = new Node(backend);
        await using var many = new Node(backend);
        var none = CostOfAPacket(few);
        await few.ApplyAsync(World(few, 10));
        await many.ApplyAsync(World(many, 1000));

        // In turns, so that a machine that is busy for a while is busy for both.
        var (ofFew, ofMany) = (double.MaxValue, double.MaxValue);
        for (var turn = 0; turn < 20; turn++)
        {
            ofFew = Math.Min(ofFew, CostOfAPacket(few));
            ofMany = Math.Min(ofMany, CostOfAPacket(many));
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{backend}: a UDP datagram from pod to pod: {none:F0} ns without rules, {ofFew:F0} ns with 10 endpoints, {ofMany:F0} ns with 1000");

        // Flat but for the tree of names, two levels of sixteen more on each side of the packet: nf_tables takes some 40 ns for each name it
        // compares, ip_tables 6. One after another, a thousand names would be ten times the packet.
        Assert.True(ofMany < ofFew * 2, $"{ofMany:F0} ns with 1000 endpoints, {ofFew:F0} ns with 10");
    }

    [Fact]
    public async Task LooksForDrift_ManyAtOnce_TakeTurns()
    {
        const int tables = 3;
        await using var node = new Node("nft");
        await node.ApplyAsync(World(node, 100));

        var looks = Task.WhenAll(Enumerable.Range(0, 10).Select(_ => node.Datapath.LookForDriftAsync()));

        var most = 0;
        while (!looks.IsCompleted)
        {
            most = Math.Max(most, RunningLists());
            await Task.Yield();
        }

        await looks;
        Assert.InRange(most, 1, 2 * tables);
    }

    // The programs of this process that list a table of a family.
    private static int RunningLists() => Directory.EnumerateDirectories("/proc").Count(folder =>
    {
        try
        {
            // "(name) state parent"; the kernel cuts names at 15 characters.
            return int.TryParse(Path.GetFileName(folder), out _)
                && File.ReadAllText(Path.Combine(folder, "stat")) is var stat
                && stat[(stat.IndexOf('(', StringComparison.Ordinal) + 1)..].StartsWith("ip", StringComparison.Ordinal)
                && stat.Contains("tables-nft-sa", StringComparison.Ordinal)
                && stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1] == $"{Environment.ProcessId}";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    });

    // Sending runs the whole way to the other pod's socket on this processor. The least of many rounds is the cost without others' noise.
    private static double CostOfAPacket(Node node)
    {
        const int rounds = 10;
        const int packets = 500;
        var to = new IPEndPoint(node.B.Address(IpFamily.IPv4).ToIPAddress(), 9);
        using var receiver = node.B.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        receiver.Bind(to);
        using var sender = node.A.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        sender.Connect(to);
        var least = double.MaxValue;
        var buffer = new byte[64];
        for (var round = 0; round < rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            for (var packet = 0; packet < packets; packet++)
            {
                sender.Send(buffer);
            }

            least = Math.Min(least, Stopwatch.GetElapsedTime(start).TotalNanoseconds / packets);
            while (receiver.Poll(0, SelectMode.SelectRead))
            {
                receiver.Receive(buffer);
            }
        }

        return least;
    }

    private static ChangeSet World(Node node, int endpoints) => new()
    {
        Revision = 0,
        Replace = true,
        PeerSets =
        [
            .. Enumerable.Range(1, PeerSets).Select(set =>
                Peers(set, Enumerable.Range(1, PrefixesPerSet).Select(index => $"10.{set}.{index}.1/32"))),
            Peers(PeerSets + 1, [.. new[] { node.A, node.B }.Select(pod => $"{pod.Address(IpFamily.IPv4)}/32")]),
        ],
        RuleSets =
        [
            .. Enumerable.Range(1, RuleSets).Select(RuleSetOf),
            Isolated(RuleSets + 1, Direction.Ingress, Rule(RuleAction.Accept, PeerSets + 1, Port(IpProtocol.Udp, 9))),
            Isolated(RuleSets + 2, Direction.Egress, Rule(RuleAction.Accept, PeerSets + 1, Port(IpProtocol.Udp, 9))),
        ],
        Endpoints =
        [
            .. Enumerable.Range(0, endpoints).Select(index => EndpointOf(index, 1 + (index * 2 % RuleSets))),
            node.Endpoint(node.A, RuleSets + 1, RuleSets + 2),
            node.Endpoint(node.B, RuleSets + 1, RuleSets + 2),
        ],
    };

    // Interfaces need not exist to be named in rules.
    private static Endpoint EndpointOf(int index, int ingress) => new(
        new("default", $"pod-{index}"),
        null,
        InterfaceSide.Peer,
        [IpAddress.V4(0x0b000000u + (uint)index)],
        new RuleSetId(ingress),
        ingress < RuleSets ? new RuleSetId(ingress + 1) : null,
        new Link(Host.Demo.PodNetwork.HostInterfaceOf(new("default", $"pod-{index}")), 10000 + index));

    private static RuleSet RuleSetOf(int id) => Isolated(
        id,
        id % 2 == 1 ? Direction.Ingress : Direction.Egress,
        Rule(RuleAction.Accept, 1 + (id % PeerSets), Port(IpProtocol.Tcp, 80), Port(IpProtocol.Tcp, 443), new PortRange(IpProtocol.Udp, 1000, 2000)),
        Rule(RuleAction.Accept, 1 + ((id + 1) % PeerSets), Port(IpProtocol.Tcp, (ushort)(1000 + id))),
        Rule(RuleAction.Accept, 1 + ((id + 2) % PeerSets)));

    private static async Task<TimeSpan> TimedAsync(Func<Task> action)
    {
        var start = Stopwatch.GetTimestamp();
        await action();
        return Stopwatch.GetElapsedTime(start);
    }

    private static async Task<TimeSpan> MedianAsync(Func<int, Task> action)
    {
        var times = new List<TimeSpan>();
        for (var round = 0; round < 11; round++)
        {
            var number = round;
            times.Add(await TimedAsync(() => action(number)));
        }

        return times.Order().ElementAt(times.Count / 2);
    }
}
