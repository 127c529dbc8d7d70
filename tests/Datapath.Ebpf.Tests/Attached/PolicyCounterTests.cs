using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Attached.Machine;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>Packets by policy, counted in the kernel, through changes of rules and generations.</summary>
public sealed class PolicyCounterTests : IDisposable
{
    private readonly Machine _machine = new();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Packets_ByPolicy_AreCountedAcrossRuleChangesAndGenerations()
    {
        var datapath = _machine.Datapath();
        var (a, b) = (_machine.Udp(_machine.PodA, Address(A, IpFamily.IPv4), 5000), _machine.Udp(_machine.PodB, Address(B, IpFamily.IPv4), 53));
        _machine.Apply(datapath, World(1, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)]));

        Assert.False(Arrives(a, b, 300));
        Assert.Equal([(FlowVerdict.Deny, 1L)], Counts(datapath));

        // The rule gets another number, then its whole generation goes.
        Assert.Empty(_machine.Apply(datapath, new ChangeSet { Revision = 2, Endpoints = [_machine.Endpoint(B)], RemovedRuleSets = [new RuleSetId(1)] }).Problems);
        Assert.Empty(_machine.Apply(datapath, World(3, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)])).Problems);
        Assert.False(Arrives(a, b, 300));
        Assert.Equal([(FlowVerdict.Deny, 2L)], Counts(datapath));
        Assert.Empty(_machine.Apply(datapath, World(4, [_machine.Endpoint(A), _machine.Endpoint(B, ingress: 1)], allowed: A)).Problems);
        Assert.True(Arrives(a, b));
        Assert.True(Arrives(a, b));

        Assert.Contains(datapath.GetStatus().Packets, count => count is { Direction: Direction.Ingress, Reason: "allowed", Packets: 2 });
        Assert.Equal([(FlowVerdict.Allow, 2L), (FlowVerdict.Deny, 2L)], Counts(datapath));
    }

    private static IEnumerable<(FlowVerdict Verdict, long Packets)> Counts(EbpfDatapath datapath)
    {
        var counters = datapath.GetStatus().Policies;
        Assert.All(counters, counter => Assert.Equal(("NetworkPolicy", "test/policy"), (counter.Kind, counter.Policy.ToString())));
        return counters.Select(counter => (counter.Verdict, counter.Packets)).Order();
    }
}
