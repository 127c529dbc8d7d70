using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tests.Packets;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Attached.Machine;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>The whole datapath on a machine of network namespaces, with real connections. Needs root.</summary>
public sealed class EbpfDatapathTests : IDisposable
{
    private const int Denied = 300;

    private readonly Machine _machine = new();

    public static TheoryData<IpFamily> Families => [IpFamily.IPv4, IpFamily.IPv6];

    public void Dispose() => _machine.Dispose();

    [Theory, MemberData(nameof(Families))]
    public void Connections_FollowThePolicy_AtOnce(IpFamily family)
    {
        var datapath = _machine.Datapath();
        var (a, b) = (Address(A, family), Address(B, family));
        using var server = _machine.Listen(_machine.PodB, b, 80);
        Assert.NotNull(_machine.Connect(_machine.PodA, a, b, 80));

        Assert.Empty(_machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1, egress: 2)])).Problems);
        Assert.Null(_machine.Connect(_machine.PodA, a, b, 80, Denied));

        Assert.Empty(_machine.Apply(datapath, AllowA(2)).Problems);
        Assert.NotNull(_machine.Connect(_machine.PodA, a, b, 80));

        _machine.Apply(datapath, new ChangeSet { Revision = 3, Endpoints = [_machine.Endpoint(B)] });
        Assert.NotNull(_machine.Connect(_machine.PodA, a, b, 80));
        Assert.Contains(datapath.GetStatus().Packets, count => count is { Direction: Direction.Ingress, Reason: "isolated", Packets: > 0 });
    }

    [Theory, MemberData(nameof(Families))]
    public void Datagrams_OnlyRepliesPass_WhenIngressIsIsolated(IpFamily family)
    {
        var datapath = _machine.Datapath();
        var a = _machine.Udp(_machine.PodA, Address(A, family), 5000);
        var b = _machine.Udp(_machine.PodB, Address(B, family), 53);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));

        Assert.False(Arrives(a, b, Denied));
        Assert.True(Arrives(b, a));
        Assert.True(Arrives(a, b));
    }

    [Theory, MemberData(nameof(Families))]
    public void EstablishedConnection_OncePolicyDenies_Stalls(IpFamily family)
    {
        var datapath = _machine.Datapath();
        using var server = _machine.Listen(_machine.PodB, Address(B, family), 80);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)], allowed: A));
        var client = _machine.Connect(_machine.PodA, Address(A, family), Address(B, family), 80);
        Assert.NotNull(client);
        using var accepted = server.Accept();
        client.Send([1]);
        Assert.True(Receives(accepted));

        _machine.Apply(datapath, DenyA(2));

        client.Send([1]);
        Assert.False(Receives(accepted, Denied));
    }

    [Theory, MemberData(nameof(Families))]
    public void EstablishedConnection_WithKeep_GoesOn(IpFamily family)
    {
        var datapath = _machine.Datapath(established: EstablishedConnections.Keep);
        using var server = _machine.Listen(_machine.PodB, Address(B, family), 80);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)], allowed: A));
        var client = _machine.Connect(_machine.PodA, Address(A, family), Address(B, family), 80);
        Assert.NotNull(client);
        using var accepted = server.Accept();

        _machine.Apply(datapath, DenyA(2));

        client.Send([1]);
        Assert.True(Receives(accepted));
        accepted.Send([1]);
        Assert.True(Receives(client));
        Assert.Null(_machine.Connect(_machine.PodA, Address(A, family), Address(B, family), 80, Denied));
    }

    [Theory, MemberData(nameof(Families))]
    public void Restart_WhilePermitsAreInUse_KeepsConnectionsAndEnforcement(IpFamily family)
    {
        var before = _machine.Datapath();
        using var server = _machine.Listen(_machine.PodB, Address(B, family), 80);
        // Only A may be reached from B; B opens nothing: A's replies pass by permit alone.
        var world = World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B, ingress: 1)], allowed: A);
        _machine.Apply(before, world);
        var client = _machine.Connect(_machine.PodA, Address(A, family), Address(B, family), 80);
        Assert.NotNull(client);
        using var accepted = server.Accept();

        _machine.Host.Run(() => before.DisposeAsync().AsTask().GetAwaiter().GetResult());
        Assert.Null(_machine.Connect(_machine.PodB, Address(B, family), Address(A, family), 81, Denied));
        var after = _machine.Datapath();
        Assert.Empty(_machine.Apply(after, world).Problems);

        Assert.Equal(1, CountPrograms("pa0"));
        client.Send([1]);
        Assert.True(Receives(accepted));
        accepted.Send([1]);
        Assert.True(Receives(client));
        Assert.Contains(after.GetStatus().Packets, count => count is { Direction: Direction.Ingress, Reason: "reply", Packets: > 0 });
        Assert.Null(_machine.Connect(_machine.PodB, Address(B, family), Address(A, family), 81, Denied));
    }

    [Fact]
    public void Restart_WithoutAnEndpointThatWasThere_DetachesIt()
    {
        var before = _machine.Datapath();
        _machine.Apply(before, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));
        _machine.Host.Run(() => before.DisposeAsync().AsTask().GetAwaiter().GetResult());

        _machine.Apply(_machine.Datapath(), World(1, [_machine.Endpoint(B, ingress: 1)]));

        Assert.Equal(0, CountPrograms("pa0"));
        Assert.DoesNotContain("clsact", _machine.Host.Tc("qdisc show dev pa0"), StringComparison.Ordinal);
        Assert.Equal(1, CountPrograms("pb0"));
    }

    [Fact]
    public void Tables_ThatBecomeTooSmall_GrowWithoutLosingAnything()
    {
        var datapath = _machine.Datapath();
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)], allowed: A));
        var blocks = datapath.GetStatus().Tables.Single(table => table.Table == "blocks");
        var many = Enumerable.Range(0, (int)blocks.Capacity).Select(i => new IpPrefix(IpAddress.V4(0x0b000001u + ((uint)i << 8)), 32));

        _machine.Apply(datapath, new ChangeSet { Revision = 2, PeerSets = [new PeerSetDelta(new PeerSetId(1), "allowed", [.. many], [])] });

        Assert.True(datapath.GetStatus().Tables.Single(table => table.Table == "blocks").Capacity > blocks.Capacity);
        using var server = _machine.Listen(_machine.PodB, Address(B, IpFamily.IPv4), 80);
        Assert.NotNull(_machine.Connect(_machine.PodA, Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4), 80));
        Assert.Null(_machine.Connect(_machine.Host, System.Net.IPAddress.Parse("169.254.1.1"), Address(B, IpFamily.IPv4), 80, Denied));
        Assert.Equal(1, CountPrograms("pb0"));
    }

    [Fact]
    public void Interface_OfTwoWorkloads_IsClosedAndReported()
    {
        var datapath = _machine.Datapath();
        var endpoint = _machine.Endpoint(B, ingress: 1);

        var problems = _machine.Apply(datapath, World(1, [endpoint, endpoint with { Workload = A }], allowed: A)).Problems;

        Assert.Equal(FindingSeverity.Error, Assert.Single(problems).Severity);
        using var server = _machine.Listen(_machine.PodB, Address(B, IpFamily.IPv4), 80);
        Assert.Null(_machine.Connect(_machine.PodA, Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4), 80, Denied));
    }

    [Fact]
    public void Interface_ThatIsGone_IsReportedAndTheRestEnforced()
    {
        var datapath = _machine.Datapath();
        var gone = _machine.Endpoint(A, ingress: 1) with { Link = new Link("pcgone0", 4000) };

        var problems = _machine.Apply(datapath, World(1, [gone, _machine.Endpoint(B, ingress: 1)])).Problems;

        Assert.Contains("pcgone0", Assert.Single(problems).Object, StringComparison.Ordinal);
        Assert.Equal(1, CountPrograms("pb0"));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void ForeignFilters_AreLeftAloneAndStillRun(bool avoidTcx)
    {
        const uint Handle = 7;
        using var foreign = BpfObject.Open("bench.bpf.o");
        foreign.Load();
        var endpoint = _machine.Endpoint(B, ingress: 1);
        var index = endpoint.Link!.Value.Index;
        _machine.Host.Run(() =>
        {
            TcFilters.CreateQdisc(index);
            TcFilters.Attach(index, TcHook.Ingress, 1, Handle, foreign.ProgramFd("bench_empty"));
            TcFilters.Attach(index, TcHook.Egress, 5, Handle, foreign.ProgramFd("bench_hash_lookup"));
        });
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        using var server = _machine.Listen(_machine.PodB, Address(B, IpFamily.IPv4), 80);
        Assert.Empty(_machine.Apply(datapath, World(1, [_machine.Endpoint(A), endpoint], allowed: A)).Problems);

        // Policy allows; the other filter on the hook drops what it does not find in its table, ARP too.
        var hardware = _machine.PodB.Ip("-o link show eth0").Split("link/ether ")[1][..17];
        _machine.Host.Ip($"neigh replace {Address(B, IpFamily.IPv4)} lladdr {hardware} dev pb0");
        Assert.Null(_machine.Connect(_machine.PodA, Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4), 80, Denied));
        Assert.Contains(datapath.GetStatus().Packets, count => count is { Direction: Direction.Ingress, Reason: "allowed", Packets: > 0 });
        _machine.Cleanup(datapath);

        Assert.Equal(Handle, Assert.Single(_machine.Host.Run(() => TcFilters.List(index, TcHook.Ingress))).Handle);
        Assert.Equal(Handle, Assert.Single(_machine.Host.Run(() => TcFilters.List(index, TcHook.Egress))).Handle);
    }

    [Fact]
    public void ForeignLink_AheadOfOurs_IsReportedAndLeftAlone()
    {
        Assert.SkipUnless(_machine.HasTcx, "no TCX on this kernel (since 6.6)");
        using var foreign = BpfObject.Open("bench.bpf.o");
        foreign.Load();
        var datapath = _machine.Datapath();
        var endpoint = _machine.Endpoint(B, ingress: 1);
        Assert.Empty(_machine.Apply(datapath, World(1, [endpoint])).Problems);
        _machine.WaitForLinks("pb0");
        using var link = _machine.Host.Run(() => TcxLinks.Create(endpoint.Link!.Value.Index, TcHook.Egress, foreign.ProgramFd("bench_empty")));

        var problems = _machine.Apply(datapath, World(2, [endpoint])).Problems;

        Assert.Contains("bench_empty", Assert.Single(problems).Message, StringComparison.Ordinal);
        _machine.Cleanup(datapath);
        Assert.Single(_machine.Host.Run(() => TcxLinks.Programs(endpoint.Link!.Value.Index, TcHook.Egress)));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Agent_ThatAttachesTheOtherWay_TakesOverWithoutAGap(bool toFilters)
    {
        Assert.SkipUnless(_machine.HasTcx, "no TCX on this kernel (since 6.6)");
        var before = _machine.Datapath(avoidTcx: !toFilters);
        var world = World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]);
        _machine.Apply(before, world);
        if (toFilters)
        {
            _machine.WaitForLinks("pb0");
        }

        Assert.Equal(toFilters ? (0, 2) : (2, 0), _machine.AttachedTo("pb0"));
        _machine.Host.Run(() => before.DisposeAsync().AsTask().GetAwaiter().GetResult());
        var a = _machine.Udp(_machine.PodA, Address(A, IpFamily.IPv4), 5000);
        var b = _machine.Udp(_machine.PodB, Address(B, IpFamily.IPv4), 53);
        using var stop = new CancellationTokenSource();
        var sent = 0;
        var sender = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                a.SendTo([1], b.LocalEndPoint!);
                Interlocked.Increment(ref sent);
            }
        });
        sender.Start();

        var after = _machine.Datapath(avoidTcx: toFilters);
        _machine.Apply(after, world);
        if (!toFilters)
        {
            _machine.WaitForLinks("pb0");
        }

        stop.Cancel();
        sender.Join();

        Assert.True(sent > 0);
        Assert.False(Receives(b, 1));
        Assert.Equal(toFilters ? (2, 0) : (0, 2), _machine.AttachedTo("pb0"));
        _machine.Cleanup(after);
        Assert.DoesNotContain("clsact", _machine.Host.Tc("qdisc show dev pb0"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "filter del dev pb0 egress")]
    [InlineData(true, "qdisc del dev pb0 clsact")]
    [InlineData(false, "")]
    public void Programs_RemovedBySomebody_AreAttachedAgainAndCounted(bool avoidTcx, string removal)
    {
        Assert.SkipUnless(avoidTcx || _machine.HasTcx, "no TCX on this kernel (since 6.6)");
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        var endpoint = _machine.Endpoint(B, ingress: 1);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), endpoint]));
        Assert.Equal(0, datapath.GetStatus().DriftRepairs);

        if (avoidTcx)
        {
            _machine.Host.Tc(removal);
        }
        else
        {
            _machine.WaitForLinks("pb0");
            _machine.Host.Run(() =>
            {
                using var link = BpfPin.TryOpen(new EbpfPaths(Machine.Instance).Link(endpoint.Link!.Value.Index, TcHook.Egress), BpfPinKind.Link);
                TcxLinks.Detach(link!);
            });
        }

        Assert.True(SpinWait.SpinUntil(() => datapath.GetStatus().DriftRepairs == 1, TimeSpan.FromSeconds(10)), "the removal was not repaired in 10 s");
        using var server = _machine.Listen(_machine.PodB, Address(B, IpFamily.IPv4), 80);
        Assert.Null(_machine.Connect(_machine.PodA, Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4), 80, Denied));
        Assert.Equal(1, CountPrograms("pb0"));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Cleanup_OfOneInstance_LeavesNothingOfItAndAllOfTheOther(bool avoidTcx)
    {
        var first = _machine.Datapath("pcone", avoidTcx: avoidTcx);
        var second = _machine.Datapath("pctwo", avoidTcx: avoidTcx);
        _machine.Apply(first, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));
        _machine.Apply(second, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));
        Assert.Equal(2, CountPrograms("pb0"));

        Assert.NotEmpty(_machine.Cleanup(first));
        Assert.Equal(1, CountPrograms("pb0"));
        Assert.Empty(_machine.Cleanup(first));
        _machine.Host.Run(() => second.DisposeAsync().AsTask().GetAwaiter().GetResult());

        Assert.NotEmpty(_machine.Cleanup(first, all: true));
        Assert.Equal(0, CountPrograms("pb0"));
        Assert.False(_machine.Host.Run(() => Directory.Exists(EbpfPaths.Root)));
    }

    [Fact]
    public void Vlan_OffloadedTag_IsJudgedAsTheIpInside()
    {
        var datapath = _machine.Datapath();
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, egress: 2)]));
        var stranger = Frames.Ip(IpAddress.Parse("192.0.2.1"), IpAddress.Parse("192.0.2.2"), 17, Frames.Udp(5000, 9));
        var own = Frames.Ip(IpAddress.From(Address(B, IpFamily.IPv4)), IpAddress.Parse("192.0.2.2"), 17, Frames.Udp(5000, 9));

        _machine.PodB.SendFrame("eth0", Frames.Tagged(stranger, Frames.TypeVlan));
        _machine.PodB.SendFrame("eth0", Frames.Tagged(own, Frames.TypeVlan));
        _machine.PodB.SendFrame("eth0", Frames.Tagged(Frames.Ethernet(Frames.TypeArp, new byte[28]), Frames.TypeVlan));

        // A frame through a veth pair is judged before the call that sends it returns.
        Assert.Contains(datapath.GetStatus().Packets, count => count is { Direction: Direction.Egress, Reason: "isolated", Packets: 1 });
        Assert.Contains(datapath.GetStatus().Packets, count => count is { Direction: Direction.Egress, Reason: "vlan", Packets: 1 });
        Assert.Contains(datapath.GetStatus().Packets, count => count is { Direction: Direction.Egress, Reason: "spoofed-source", Packets: 1 });
    }

    [Theory, MemberData(nameof(Families))]
    public async Task Flows_WhileWatched_NameWhoAndWhy(IpFamily family)
    {
        var datapath = _machine.Datapath();
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        var flows = datapath.WatchFlowsAsync(limit.Token).GetAsyncEnumerator(limit.Token);
        var next = flows.MoveNextAsync();
        var a = _machine.Udp(_machine.PodA, Address(A, family), 5000);
        var b = _machine.Udp(_machine.PodB, Address(B, family), 53);

        a.SendTo([1], b.LocalEndPoint!);

        Assert.True(await next, "no event for the denied datagram came");
        var flow = flows.Current;
        Assert.Equal((B, Direction.Ingress, FlowVerdict.Deny, "isolated"), (flow.Workload, flow.Direction, flow.Verdict, flow.Reason));
        Assert.Equal((IpAddress.From(Address(A, family)), (ushort)5000), (flow.Source, flow.SourcePort));
        Assert.Equal((IpAddress.From(Address(B, family)), (ushort)53), (flow.Destination, flow.DestinationPort));
        Assert.Equal((17, "policy"), (flow.Protocol, flow.Rule?.Policy.Name));
        Assert.InRange(flow.Time, DateTimeOffset.UnixEpoch.AddYears(50), TimeProvider.System.GetUtcNow().AddSeconds(1));
        await limit.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await flows.MoveNextAsync());
    }

    private static ChangeSet AllowA(long revision) => Delta(revision, added: true);

    private static ChangeSet DenyA(long revision) => Delta(revision, added: false);

    private static ChangeSet Delta(long revision, bool added)
    {
        IpPrefix[] prefixes = [new(IpAddress.From(Address(A, IpFamily.IPv4)), 32), new(IpAddress.From(Address(A, IpFamily.IPv6)), 128)];
        return new ChangeSet { Revision = revision, PeerSets = [new PeerSetDelta(new PeerSetId(1), "allowed", added ? [.. prefixes] : [], added ? [] : [.. prefixes])] };
    }

    /// <summary>How many of our programs are at the ingress of a device, attached in whatever way.</summary>
    private int CountPrograms(string device) => _machine.ProgramsOn(device, TcHook.Ingress).Length;
}
