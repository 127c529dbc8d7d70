using System.Net;
using System.Net.Sockets;
using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Attached.Machine;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>
/// Flows that were there before any program of ours, and which the machine's kernel follows. Their ports are such that the
/// programs adopt none by themselves. Needs root and iptables.
/// </summary>
public sealed class OlderFlowTests : IDisposable
{
    private const int Denied = 300;
    private const int Port = 40000;

    private readonly Machine _machine = new();

    public OlderFlowTests() => _machine.Host.TrackConnections();

    public static TheoryData<IpFamily> Families => [IpFamily.IPv4, IpFamily.IPv6];

    public void Dispose() => _machine.Dispose();

    [Theory, MemberData(nameof(Families))]
    public void Flows_ThatPolicyAllowsToOpen_GoOnWithoutLosingAPacket(IpFamily family)
    {
        var (a, b) = (Address(A, family), Address(B, family));
        using var server = _machine.Listen(_machine.PodB, b, Port);
        var client = _machine.Connect(_machine.PodA, a, b, Port);
        using var accepted = server.Accept();
        var here = _machine.Udp(_machine.PodA, a, 5000);
        var there = _machine.Udp(_machine.PodB, b, 5300);
        NumberedStream.Enlarge(here);
        Assert.True(Arrives(here, there));
        using var stream = new NumberedStream(there, here.LocalEndPoint!);
        stream.WaitFor(100);

        var before = _machine.DroppedTowards("pa0");

        // A is isolated towards itself: whatever B sends it is a reply, or is dropped.
        _machine.Apply(_machine.Datapath(), World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B)]));

        stream.WaitFor(stream.Sent + 100);

        // Without TCX there is a qdisc to be added, and the kernel drops what is sent to the interface meanwhile: it counts that as the interface's.
        var rewired = _machine.HasTcx ? 0 : _machine.DroppedTowards("pa0") - before;
        Assert.InRange(rewired, 0, 10);
        Assert.Equal(stream.Stop(), NumberedStream.Count(here) + rewired);
        accepted.Send([1]);
        Assert.True(Receives(client!));
        client!.Send([1]);
        Assert.True(Receives(accepted));
        Assert.Null(_machine.Connect(_machine.PodB, b, a, Port, Denied));
    }

    [Theory, MemberData(nameof(Families))]
    public void Flows_ThatOthersOpened_AreAnswered(IpFamily family)
    {
        var (a, b) = (Address(A, family), Address(B, family));
        using var server = _machine.Listen(_machine.PodB, b, Port);
        var client = _machine.Connect(_machine.PodA, a, b, Port);
        using var accepted = server.Accept();

        // B may be reached from A, and reaches nobody.
        var world = World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1) with { Egress = new RuleSetId(3) }], allowed: A);
        _machine.Apply(_machine.Datapath(), world with { RuleSets = world.RuleSets.Add(IsolatedEgress(3)) });

        accepted.Send([1]);
        Assert.True(Receives(client!));
        Assert.Null(_machine.Connect(_machine.PodB, b, a, Port, Denied));
    }

    [Theory, MemberData(nameof(Families))]
    public void Flows_ThatPolicyDoesNotAllowToOpen_Stop(IpFamily family)
    {
        var (a, b) = (Address(A, family), Address(B, family));
        using var server = _machine.Listen(_machine.PodB, b, Port);
        var client = _machine.Connect(_machine.PodA, a, b, Port);
        using var accepted = server.Accept();
        var here = _machine.Udp(_machine.PodA, a, 5000);
        var there = _machine.Udp(_machine.PodB, b, 5300);
        Assert.True(Arrives(here, there));

        _machine.Apply(_machine.Datapath(), World(1, [_machine.Endpoint(A, ingress: 1, egress: 2), _machine.Endpoint(B)]));

        accepted.Send([1]);
        Assert.False(Receives(client!, Denied));
        Assert.False(Arrives(there, here, Denied));
    }

    [Fact]
    public void Flow_ToATranslatedAddress_GoesOn()
    {
        var (a, b) = (Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4));
        var service = IPAddress.Parse("10.99.0.1");
        _machine.Host.Translate("10.99.0.1", $"{b}:{Port}");
        using var server = _machine.Listen(_machine.PodB, b, Port);
        var client = _machine.Connect(_machine.PodA, a, service, 41000);
        Assert.NotNull(client);
        using var accepted = server.Accept();

        _machine.Apply(_machine.Datapath(), World(1, [_machine.Endpoint(A, ingress: 1), _machine.Endpoint(B)]));

        accepted.Send([1]);
        Assert.True(Receives(client));
    }

    private static RuleSet IsolatedEgress(int id)
    {
        var reference = new RuleReference(RuleOrigin.NetworkPolicy, new NamespacedName("test", "isolated"), null);
        return new RuleSet(new RuleSetId(id), Direction.Egress, [new RuleTier(RuleTierKind.NetworkPolicy, [], reference)]);
    }
}
