using System.Collections.Immutable;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Attached.Machine;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>
/// One agent after another, and one generation after another, while three streams of datagrams run between A and B: one that policy
/// allows, one that only a permit lets pass, one that nothing does. Needs root and iptables.
/// </summary>
public sealed class TakeOverTests : IDisposable
{
    private readonly Machine _machine = new();

    public TakeOverTests() => _machine.Host.TrackConnections();

    public static TheoryData<bool, bool> Changes => new()
    {
        { false, false },
        { true, false },
        { false, true },
        { true, true },
    };

    public void Dispose() => _machine.Dispose();

    /// <summary>Another layout: an upgrade or downgrade whose permits cannot be shared.</summary>
    [Theory, MemberData(nameof(Changes))]
    public void Agents_OneAfterAnother_MisjudgeNoPacket(bool avoidTcx, bool otherLayout)
    {
        Assert.SkipUnless(avoidTcx || _machine.HasTcx, "no TCX on this kernel (since 6.6)");
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        var world = World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B, ingress: 1)], allowed: A);
        _machine.Apply(datapath, world);
        if (!avoidTcx)
        {
            _machine.WaitForLinks("pa0", "pb0");
        }

        var paths = new EbpfPaths(Machine.Instance);

        using var streams = new Streams(_machine);
        for (var round = 0; round < 4; round++)
        {
            streams.Run(50);
            var programs = _machine.ProgramsOn("pb0");
            _machine.Host.Run(() => datapath.DisposeAsync().AsTask().GetAwaiter().GetResult());
            if (otherLayout)
            {
                _machine.Host.Run(() =>
                {
                    File.Move(paths.Permits, paths.Permits + "00");
                    File.Move(paths.Config, paths.Config + "00");
                });
            }

            streams.Run(50);
            datapath = _machine.Datapath(avoidTcx: avoidTcx);
            Assert.Empty(_machine.Apply(datapath, world).Problems);
            Assert.Empty(programs.Intersect(_machine.ProgramsOn("pb0")));
            Assert.Equal(2, _machine.ProgramsOn("pb0").Length);
            Assert.Empty(_machine.Host.Run(() => paths.OfOtherLayouts().ToArray()));
        }

        streams.Run(50);
        streams.AssertJudgedRightly();
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Tables_ThatGrow_MisjudgeNoPacket(bool avoidTcx)
    {
        Assert.SkipUnless(avoidTcx || _machine.HasTcx, "no TCX on this kernel (since 6.6)");
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B, ingress: 1)], allowed: A));
        if (!avoidTcx)
        {
            _machine.WaitForLinks("pa0", "pb0");
        }

        var before = Blocks(datapath);

        using var streams = new Streams(_machine);
        streams.Run(50);
        var next = 0u;
        for (var revision = 2; revision < 6; revision++)
        {
            var capacity = Blocks(datapath);
            ImmutableArray<IpPrefix> more = [.. Enumerable.Range(0, (int)capacity).Select(_ => new IpPrefix(IpAddress.V4(0x0b000001u + (next++ << 8)), 32))];
            _machine.Apply(datapath, new ChangeSet { Revision = revision, PeerSets = [new PeerSetDelta(new PeerSetId(1), "allowed", more, [])] });
            Assert.True(Blocks(datapath) > capacity, "the table did not grow");
            streams.Run(20);
        }

        Assert.True(Blocks(datapath) >= 16 * before);
        streams.AssertJudgedRightly();
    }

    private static long Blocks(EbpfDatapath datapath) => datapath.GetStatus().Tables.Single(table => table.Table == "blocks").Capacity;
}
