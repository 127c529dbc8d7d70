using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Attached.Machine;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>Interfaces that go, come, move and change their names under the datapath. Needs root.</summary>
public sealed class InterfaceLifeTests : IDisposable
{
    private const int Denied = 300;

    private readonly Machine _machine = new();

    public static TheoryData<bool> Attachments => [false, true];

    public void Dispose() => _machine.Dispose();

    [Theory, MemberData(nameof(Attachments))]
    public void Index_OfAnotherInterface_InheritsNeitherRulesNorPermits(bool avoidTcx)
    {
        SkipWithout(avoidTcx);
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B, ingress: 1)]));
        Settle(avoidTcx);
        var a = _machine.Udp(_machine.PodA, Address(A, IpFamily.IPv4), 5000);
        var b = _machine.Udp(_machine.PodB, Address(B, IpFamily.IPv4), 53);
        Assert.False(Arrives(b, a, Denied), "A is isolated");
        Assert.True(Arrives(a, b), "B's datagram to A permits an answer");

        _machine.ReplaceInterfaceOfB();

        // What is repaired at A afterwards tells that B was looked at too.
        RemovePrograms("pa0", avoidTcx);
        Assert.True(SpinWait.SpinUntil(() => datapath.GetStatus().DriftRepairs > 0, TimeSpan.FromSeconds(10)), "nothing was repaired in 10 s");
        Assert.Equal(1, datapath.GetStatus().DriftRepairs);
        Assert.Empty(_machine.ProgramsOn("pb0"));

        var successor = _machine.Endpoint(B, ingress: 1);
        successor = successor with { Link = successor.Link!.Value with { Incarnation = 1 } };
        Assert.Empty(_machine.Apply(datapath, new ChangeSet { Revision = 2, Endpoints = [successor] }).Problems);

        Assert.Equal(2, _machine.ProgramsOn("pb0").Length);
        Assert.False(Arrives(a, b, Denied));
    }

    [Theory, MemberData(nameof(Attachments))]
    public void Index_OfAnotherInterface_WhileNoAgentRuns_InheritsNoPermits(bool avoidTcx)
    {
        SkipWithout(avoidTcx);
        var before = _machine.Datapath(avoidTcx: avoidTcx);
        var world = World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]);
        _machine.Apply(before, world);
        Settle(avoidTcx);
        var a = _machine.Udp(_machine.PodA, Address(A, IpFamily.IPv4), 5000);
        var b = _machine.Udp(_machine.PodB, Address(B, IpFamily.IPv4), 53);
        Assert.True(Arrives(b, a));
        Assert.True(Arrives(a, b), "B's datagram to A permits an answer");
        _machine.Host.Run(() => before.DisposeAsync().AsTask().GetAwaiter().GetResult());

        _machine.ReplaceInterfaceOfB();
        _machine.Apply(_machine.Datapath(avoidTcx: avoidTcx), world);

        Assert.Equal(2, _machine.ProgramsOn("pb0").Length);
        Assert.False(Arrives(a, b, Denied));
    }

    [Theory, MemberData(nameof(Attachments))]
    public void Interface_RenamedDownAndUp_StaysPoliced(bool avoidTcx)
    {
        SkipWithout(avoidTcx);
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        var endpoint = _machine.Endpoint(B, ingress: 1);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), endpoint]));
        Settle(avoidTcx);

        _machine.Host.Ip("link set pb0 down");
        _machine.Host.Ip("link set pb0 name pbx");
        _machine.Host.Ip("link set pbx up");
        _machine.Host.Ip("route replace 10.77.0.2/32 dev pbx");

        using var server = _machine.Listen(_machine.PodB, Address(B, IpFamily.IPv4), 80);
        Assert.Null(_machine.Connect(_machine.PodA, Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4), 80, Denied));
        endpoint = endpoint with { Ingress = null, Link = endpoint.Link!.Value with { Name = "pbx" } };
        Assert.Empty(_machine.Apply(datapath, new ChangeSet { Revision = 2, Endpoints = [endpoint] }).Problems);
        Assert.NotNull(_machine.Connect(_machine.PodA, Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4), 80));
        Assert.Equal(2, _machine.ProgramsOn("pbx").Length);
        Assert.Equal(0, datapath.GetStatus().DriftRepairs);
    }

    [Theory, MemberData(nameof(Attachments))]
    public void Interface_MovedToAnotherNamespace_LeavesItsProgramsBehind(bool avoidTcx)
    {
        SkipWithout(avoidTcx);
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        var endpoint = _machine.Endpoint(B, ingress: 1);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), endpoint]));
        Settle(avoidTcx);

        _machine.Host.Ip($"link set pb0 netns {_machine.PodA.Id}");
        Assert.Empty(_machine.Apply(datapath, new ChangeSet { Revision = 2, Endpoints = [endpoint with { Link = null }] }).Problems);
        Assert.Empty(_machine.ProgramsOn("pb0", _machine.PodA));
        _machine.PodA.Ip($"link set pb0 netns {_machine.Host.Id}");
        var back = _machine.Endpoint(B, ingress: 1);
        back = back with { Link = back.Link!.Value with { Incarnation = 1 } };
        Assert.Empty(_machine.Apply(datapath, new ChangeSet { Revision = 3, Endpoints = [back] }).Problems);

        Assert.Equal(2, _machine.ProgramsOn("pb0").Length);
        Assert.Equal(0, datapath.GetStatus().DriftRepairs);
    }

    [Theory, MemberData(nameof(Attachments))]
    public void Index_OfAnInterfaceThatMovedAway_IsPolicedAnew(bool avoidTcx)
    {
        SkipWithout(avoidTcx);
        var datapath = _machine.Datapath(avoidTcx: avoidTcx);
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));
        Settle(avoidTcx);

        var index = _machine.Endpoint(B).Link!.Value.Index;
        _machine.Host.Ip($"link set pb0 netns {_machine.PodA.Id} name moved0");
        _machine.PodB.Ip("link set eth0 down");
        _machine.PodB.Ip("link set eth0 name old0");
        _machine.PlugB(index);
        var successor = _machine.Endpoint(B, ingress: 1);
        successor = successor with { Link = successor.Link!.Value with { Incarnation = 1 } };
        Assert.Empty(_machine.Apply(datapath, new ChangeSet { Revision = 2, Endpoints = [successor] }).Problems);

        Assert.Equal(2, _machine.ProgramsOn("pb0").Length);
        Assert.Empty(_machine.ProgramsOn("moved0", _machine.PodA));
    }

    private void RemovePrograms(string device, bool avoidTcx)
    {
        if (avoidTcx)
        {
            _machine.Host.Tc($"qdisc del dev {device} clsact");
            return;
        }

        _machine.Host.Run(() =>
        {
            var index = Interfaces.List().Single(pair => pair.Value == device).Key;
            using var link = BpfPin.TryOpen(new EbpfPaths(Machine.Instance).Link(index, TcHook.Egress), BpfPinKind.Link);
            TcxLinks.Detach(link!);
        });
    }

    /// <summary>Waits until everything is attached as it shall stay.</summary>
    private void Settle(bool avoidTcx)
    {
        if (!avoidTcx)
        {
            _machine.WaitForLinks("pa0", "pb0");
        }
    }

    private void SkipWithout(bool avoidTcx) => Assert.SkipUnless(avoidTcx || _machine.HasTcx, "no TCX on this kernel (since 6.6)");
}
