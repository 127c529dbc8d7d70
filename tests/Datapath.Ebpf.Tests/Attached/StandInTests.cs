using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;
using static Portcullis.Datapath.Ebpf.Tests.Attached.Machine;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>Filters that stand in for TCX links until these are made. Needs root.</summary>
public sealed class StandInTests : IDisposable
{
    private const int Many = 100;

    private readonly Machine _machine = new();
    private readonly EbpfPaths _paths = new(Machine.Instance);
    private readonly ITestOutputHelper _output;

    public StandInTests(ITestOutputHelper output)
    {
        _output = output;
        Assert.SkipUnless(_machine.HasTcx, "no TCX on this kernel (since 6.6)");
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void HundredInterfaces_AreAttachedWithoutWaitingForLinks_WhichFollow()
    {
        var datapath = _machine.Datapath();
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A)]));
        var devices = AddInterfaces(Many + 20);
        var endpoints = devices.Take(Many).Select(Isolated).ToImmutableArray();

        var start = Stopwatch.GetTimestamp();
        Assert.Empty(_machine.Apply(datapath, new ChangeSet { Revision = 2, Endpoints = endpoints }).Problems);
        var all = Stopwatch.GetElapsedTime(start).TotalMilliseconds;

        Assert.All(endpoints, endpoint => Assert.Equal(2, _machine.ProgramsOn(endpoint.Link!.Value.Name).Length));
        Target.AtMost($"{Many} interfaces attached", all, 200, "ms", _output.WriteLine);

        // One that comes while links are made.
        var late = new List<double>();
        foreach (var device in devices.Skip(Many))
        {
            start = Stopwatch.GetTimestamp();
            _machine.Apply(datapath, new ChangeSet { Revision = 3, Endpoints = [Isolated(device)] });
            late.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            TestContext.Current.CancellationToken.WaitHandle.WaitOne(50);
        }

        late.Sort();
        _output.WriteLine($"one more while links are made: p50 {late[late.Count / 2]:F1} ms");
        Target.AtMost("the same at most: one link", late[^1], 30, "ms", _output.WriteLine);
        start = Stopwatch.GetTimestamp();
        _machine.WaitForLinks([.. devices.Select(device => device.Name)]);
        _output.WriteLine($"all links {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s later");
        Assert.Equal(0, datapath.GetStatus().DriftRepairs);
    }

    [Fact]
    public void InterfaceThatWasThereBefore_HasLinksAtOnce_AndNoFilterEver()
    {
        var datapath = _machine.Datapath();

        _machine.Apply(datapath, World(1, [_machine.Endpoint(A, ingress: 1)]));
        _machine.Apply(datapath, new ChangeSet { Revision = 2, Endpoints = [_machine.Endpoint(B, ingress: 1)] });

        Assert.All(["pa0", "pb0"], device => Assert.Equal((0, 2), _machine.AttachedTo(device)));
        Assert.DoesNotContain("clsact", _machine.Host.Tc("qdisc show"), StringComparison.Ordinal);
    }

    [Fact]
    public void Links_TakeTheFiltersPlace_MisjudgingNoPacketAndCountingNoneTwiceForLong()
    {
        var datapath = StandIn(World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B, ingress: 1)], allowed: A));
        using var streams = new Streams(_machine);

        _machine.WaitForLinks("pa0", "pb0");

        streams.Run(50);
        var allowed = streams.AssertJudgedRightly();
        var counted = datapath.GetStatus().Packets.Single(count => count is { Direction: Direction.Ingress, Reason: "allowed" }).Packets;
        _output.WriteLine($"{allowed} datagrams allowed, {counted} counted");
        Assert.InRange(counted, allowed, allowed + 20);
        Assert.Equal(0, datapath.GetStatus().DriftRepairs);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Agent_KilledBetweenFilterAndLink_IsTakenOverWithoutAGap(bool isOneLinked)
    {
        var world = World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B, ingress: 1)], allowed: A);
        var before = _machine.Datapath(keepStandIns: true);
        _machine.Apply(before, world);
        _machine.Host.Run(() => before.DisposeAsync().AsTask().GetAwaiter().GetResult());
        Assert.Equal((2, 0), _machine.AttachedTo("pb0"));
        if (isOneLinked)
        {
            LinkBesideFilter("pb0", TcHook.Egress);
            Assert.Equal((2, 1), _machine.AttachedTo("pb0"));
        }

        using var streams = new Streams(_machine);
        streams.Run(50);
        var programs = _machine.ProgramsOn("pb0");
        var after = _machine.Datapath(keepStandIns: true);
        Assert.Empty(_machine.Apply(after, world).Problems);

        Assert.Equal(isOneLinked ? (1, 1) : (2, 0), _machine.AttachedTo("pb0"));
        Assert.Empty(programs.Intersect(_machine.ProgramsOn("pb0")));
        streams.Run(50);
        _machine.Host.Run(() => after.DisposeAsync().AsTask().GetAwaiter().GetResult());
        Assert.Empty(_machine.Apply(_machine.Datapath(), world).Problems);
        _machine.WaitForLinks("pa0", "pb0");
        streams.Run(50);
        streams.AssertJudgedRightly();
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Generations_ReplacedWhileFiltersStandIn_MisjudgeNoPacket(bool keepStandIns)
    {
        var world = World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B, ingress: 1)], allowed: A);
        var datapath = StandIn(world, keepStandIns);
        using var streams = new Streams(_machine);

        for (var round = 0; round < 5; round++)
        {
            var programs = _machine.ProgramsOn("pb0");
            Assert.Empty(_machine.Apply(datapath, world with { Revision = round + 2 }).Problems);
            Assert.Empty(programs.Intersect(_machine.ProgramsOn("pb0")));
            streams.Run(20);
        }

        if (keepStandIns)
        {
            Assert.Equal((2, 0), _machine.AttachedTo("pb0"));
        }
        else
        {
            _machine.WaitForLinks("pa0", "pb0");
        }

        streams.AssertJudgedRightly();
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Cleanup_WhileFiltersStandIn_LeavesNothing(bool isOneLinked)
    {
        var datapath = _machine.Datapath(keepStandIns: true);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));
        if (isOneLinked)
        {
            LinkBesideFilter("pb0", TcHook.Ingress);
        }

        Assert.NotEmpty(_machine.Cleanup(datapath));

        Assert.All(["pa0", "pb0"], device => Assert.Equal((0, 0), _machine.AttachedTo(device)));
        Assert.DoesNotContain("clsact", _machine.Host.Tc("qdisc show"), StringComparison.Ordinal);
        Assert.False(_machine.Host.Run(() => Directory.Exists(_paths.Folder)));
    }

    [Fact]
    public void Cleanup_WhileLinksAreMade_LeavesNothing()
    {
        for (var round = 0; round < 10; round++)
        {
            var datapath = _machine.Datapath();
            _machine.Apply(datapath, World(1, [_machine.Endpoint(A)]));
            var devices = AddInterfaces(5);
            _machine.Apply(datapath, new ChangeSet { Revision = 2, Endpoints = [.. devices.Select(Isolated)] });
            Assert.All(devices, device => Assert.Equal(2, _machine.AttachedTo(device.Name).Filters));
            TestContext.Current.CancellationToken.WaitHandle.WaitOne(20 * round);

            _machine.Cleanup(datapath);

            Assert.All(devices, device => Assert.Equal((0, 0), _machine.AttachedTo(device.Name)));
            Assert.DoesNotContain("clsact", _machine.Host.Tc("qdisc show"), StringComparison.Ordinal);
            Assert.False(_machine.Host.Run(() => Directory.Exists(_paths.Folder)));
            Array.ForEach(devices, device => _machine.Host.Ip($"link del {device.Name}"));
        }
    }

    [Fact]
    public void Endpoint_RemovedWhileLinksAreMade_LeavesNothingOnItsInterface()
    {
        var datapath = _machine.Datapath();
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A)]));
        var device = AddInterfaces(1)[0];
        for (var round = 0; round < 10; round++)
        {
            _machine.Apply(datapath, new ChangeSet { Revision = 2 + (2 * round), Endpoints = [Isolated(device)] });
            TestContext.Current.CancellationToken.WaitHandle.WaitOne(5 * round);

            _machine.Apply(datapath, new ChangeSet { Revision = 3 + (2 * round), Endpoints = [Isolated(device) with { Link = null }] });

            Assert.Equal((0, 0), _machine.AttachedTo(device.Name));
            Assert.DoesNotContain("clsact", _machine.Host.Tc($"qdisc show dev {device.Name}"), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("filter del dev pb0 egress")]
    [InlineData("qdisc del dev pb0 clsact")]
    public void StandIns_RemovedBySomebody_AreAttachedAgainAndCounted(string removal)
    {
        var datapath = _machine.Datapath(keepStandIns: true);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));

        _machine.Host.Tc(removal);

        Assert.True(SpinWait.SpinUntil(() => datapath.GetStatus().DriftRepairs == 1, TimeSpan.FromSeconds(10)), "the removal was not repaired in 10 s");
        Assert.Equal((2, 0), _machine.AttachedTo("pb0"));
    }

    [Fact]
    public void NewInterface_DoesNotWaitUntilOldRulesAreTakenOut()
    {
        var datapath = _machine.Datapath();
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B)]));
        var milliseconds = new List<double>();
        foreach (var device in AddInterfaces(20))
        {
            var id = new PeerSetId(100 + device.Index);
            _machine.Apply(datapath, new ChangeSet { Revision = 2, PeerSets = [new PeerSetDelta(id, "old", [IpPrefix.Parse("192.0.2.1/32")], [])] });
            _machine.Apply(datapath, new ChangeSet { Revision = 3, RemovedPeerSets = [id] });

            var removing = Stopwatch.GetTimestamp();
            _machine.Apply(datapath, new ChangeSet { Revision = 4, Endpoints = [Isolated(device)] });
            milliseconds.Add(Stopwatch.GetElapsedTime(removing).TotalMilliseconds);
            Assert.Equal(2, _machine.ProgramsOn(device.Name).Length);
        }

        milliseconds.Sort();
        Target.AtMost("an interface attached right after a removal, p50", milliseconds[10], 3, "ms", _output.WriteLine);
    }

    /// <summary>A datapath that has found filters on the interfaces of a world, as an agent leaves them that is killed early.</summary>
    private EbpfDatapath StandIn(ChangeSet world, bool keepStandIns = false)
    {
        var before = _machine.Datapath(keepStandIns: true);
        _machine.Apply(before, world);
        _machine.Host.Run(() => before.DisposeAsync().AsTask().GetAwaiter().GetResult());
        var datapath = _machine.Datapath(keepStandIns: keepStandIns);
        _machine.Apply(datapath, world);
        return datapath;
    }

    private static Endpoint Isolated(Link device) =>
        new(new NamespacedName("test", device.Name), device.Name, InterfaceSide.Peer, [], new RuleSetId(1), new RuleSetId(2), device);

    /// <summary>As an agent leaves it that is killed before it takes the filter away: the link has its program already.</summary>
    private void LinkBesideFilter(string device, TcHook hook) => _machine.Host.Run(() =>
    {
        var index = Interfaces.List().Single(pair => pair.Value == device).Key;
        using var program = new FdHandle(BpfException.Check(LibBpf.bpf_prog_get_fd_by_id(TcFilters.List(index, hook).Single().ProgramId), "opening the filter's program"));
        using var link = TcxLinks.Create(index, hook, program.Fd);
        BpfPin.Replace(link.Fd, _paths.Link(index, hook));
    });

    private Link[] AddInterfaces(int count)
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllLines(file, Enumerable.Range(0, count).Select(i => $"link add many{i} type veth peer name peer{i}\nlink set many{i} up\nlink set peer{i} up"));
            _machine.Host.Ip($"-batch {file}");
        }
        finally
        {
            File.Delete(file);
        }

        return [.. _machine.Host.Run(Interfaces.List).Where(pair => pair.Value.StartsWith("many", StringComparison.Ordinal)).Select(pair => new Link(pair.Value, pair.Key))];
    }
}
