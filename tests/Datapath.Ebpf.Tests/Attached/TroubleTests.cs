using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Attached.Machine;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>What is said when something is in the way, and that it works once that is gone. Needs root.</summary>
public sealed class TroubleTests : IDisposable
{
    private const int Denied = 300;

    private readonly Machine _machine = new();
    private readonly EbpfPaths _paths = new(Machine.Instance);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void FileSystem_ReadOnly_StopsNoChangeThatNeedsItNot_AndIsNamed()
    {
        var datapath = _machine.Datapath();
        using var server = _machine.Listen(_machine.PodB, Address(B, IpFamily.IPv4), 80);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(B, ingress: 1)]));

        _machine.Host.Mount("-o remount,ro /sys/fs/bpf");
        IpPrefix a = new(IpAddress.From(Address(A, IpFamily.IPv4)), 32);
        _machine.Apply(datapath, new ChangeSet { Revision = 2, PeerSets = [new PeerSetDelta(new PeerSetId(1), "allowed", [a], [])] });
        Assert.NotNull(Connect());
        var added = Assert.ThrowsAny<DatapathException>(() => { _machine.Apply(datapath, new ChangeSet { Revision = 3, Endpoints = [_machine.Endpoint(A, ingress: 1)] }); });
        Assert.Contains("Read-only file system", added.Message, StringComparison.Ordinal);
        Assert.Empty(_machine.ProgramsOn("pa0"));
        Assert.DoesNotContain("clsact", _machine.Host.Tc("qdisc show dev pa0"), StringComparison.Ordinal);
        var world = World(4, [_machine.Endpoint(B, ingress: 1)]);
        var missing = Assert.Throws<FeatureNotSupportedException>(() => { _machine.Apply(datapath, world); });
        Assert.Equal("bpffs", missing.Feature);
        Assert.Contains("remount,rw", missing.Message, StringComparison.Ordinal);
        Assert.Equal(2, _machine.ProgramsOn("pb0").Length);

        _machine.Host.Mount("-o remount,rw /sys/fs/bpf");
        Assert.Empty(_machine.Apply(datapath, world).Problems);
        Assert.Null(Connect());
    }

    [Fact]
    public void Cleanup_FileSystemReadOnly_SaysSo_AndEndsOnceItIsNot()
    {
        var datapath = _machine.Datapath();
        _machine.Apply(datapath, World(1, [_machine.Endpoint(B, ingress: 1)]));
        _machine.Host.Mount("-o remount,ro /sys/fs/bpf");

        var refused = Assert.ThrowsAny<DatapathException>(() => { _machine.Cleanup(datapath); });

        Assert.Contains("Read-only file system", refused.Message, StringComparison.Ordinal);
        _machine.Host.Mount("-o remount,rw /sys/fs/bpf");
        _machine.Cleanup(datapath);
        Assert.Empty(_machine.ProgramsOn("pb0"));
        Assert.False(_machine.Host.Run(() => Directory.Exists(_paths.Folder)));
    }

    [Theory, InlineData("permits"), InlineData("config"), InlineData("folder"), InlineData("link")]
    public void Name_TakenBySomebodyElse_IsNamedAndLeftAlone(string what)
    {
        Assert.SkipUnless(what != "link" || _machine.HasTcx, "no TCX on this kernel (since 6.6)");
        var endpoint = _machine.Endpoint(B, ingress: 1);
        var path = what switch
        {
            "permits" or "folder" => _paths.Permits,
            "config" => _paths.Config,
            _ => _paths.Link(endpoint.Link!.Value.Index, TcHook.Ingress),
        };
        using var foreign = BpfObject.Open("bench.bpf.o");
        foreign.Load();
        _machine.Host.Run(() =>
        {
            Directory.CreateDirectory(_paths.Folder);
            if (what == "folder")
            {
                Directory.CreateDirectory(path);
            }
            else
            {
                BpfPin.Replace(foreign.MapFd("bench_hash"), path);
            }
        });
        var datapath = _machine.Datapath();
        var world = World(1, [endpoint]);

        var refused = Assert.ThrowsAny<DatapathException>(() => { _machine.Apply(datapath, world); });

        Assert.StartsWith(path + ": ", refused.Message, StringComparison.Ordinal);
        Assert.Empty(_machine.ProgramsOn("pb0"));
        _machine.Host.Run(() =>
        {
            if (what == "folder")
            {
                Directory.Delete(path);
            }
            else
            {
                File.Delete(path);
            }
        });
        Assert.Empty(_machine.Apply(datapath, world).Problems);
        Assert.Equal(2, _machine.ProgramsOn("pb0").Length);
    }

    [Theory]
    [InlineData(false, "nothing")]
    [InlineData(false, "pins")]
    [InlineData(false, "folder")]
    [InlineData(false, "interface")]
    [InlineData(false, "foreign")]
    [InlineData(true, "nothing")]
    [InlineData(true, "qdisc")]
    [InlineData(true, "filter")]
    [InlineData(true, "folder")]
    [InlineData(true, "interface")]
    public void Cleanup_WhereSomethingIsGoneAlready_LeavesNothing(bool avoidTcx, string gone)
    {
        Assert.SkipUnless(avoidTcx || _machine.HasTcx, "no TCX on this kernel (since 6.6)");
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));
        if (!avoidTcx)
        {
            _machine.WaitForLinks("pa0", "pb0");
        }

        _machine.Host.Run(() => datapath.DisposeAsync().AsTask().GetAwaiter().GetResult());
        Remove(gone);

        var cleaner = _machine.Datapath(avoidTcx: avoidTcx);
        _machine.Cleanup(cleaner);

        // A link whose pin was removed by hand goes a moment later.
        Assert.True(SpinWait.SpinUntil(() => _machine.ProgramsOn("pa0").Length == 0, TimeSpan.FromSeconds(10)), "programs are left on pa0");
        Assert.False(_machine.Host.Run(() => Directory.Exists(_paths.Folder)));
        if (gone != "interface")
        {
            Assert.True(SpinWait.SpinUntil(() => _machine.ProgramsOn("pb0").Length == 0, TimeSpan.FromSeconds(10)), "programs are left on pb0");
        }

        if (gone != "folder")
        {
            Assert.DoesNotContain("clsact", _machine.Host.Tc("qdisc show"), StringComparison.Ordinal);
        }

        Assert.Empty(_machine.Cleanup(cleaner));
    }

    private void Remove(string what)
    {
        switch (what)
        {
            case "pins":
                _machine.Host.Run(() => EbpfPaths.Links(_paths.Folder).Take(2).ToList().ForEach(link => File.Delete(link.Path)));
                break;
            case "folder":
                _machine.Host.Run(() => Directory.Delete(_paths.Folder, recursive: true));
                break;
            case "interface":
                _machine.Host.Ip("link del pb0");
                break;
            case "qdisc":
                _machine.Host.Tc("qdisc del dev pa0 clsact");
                break;
            case "filter":
                _machine.Host.Tc("filter del dev pa0 ingress");
                break;
            case "foreign":
                using (var foreign = BpfObject.Open("bench.bpf.o"))
                {
                    foreign.Load();
                    _machine.Host.Run(() => BpfPin.Replace(foreign.MapFd("bench_hash"), _paths.Link(4000, TcHook.Ingress)));
                }

                break;
        }
    }

    private System.Net.Sockets.Socket? Connect() =>
        _machine.Connect(_machine.PodA, Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4), 80, Denied);
}
