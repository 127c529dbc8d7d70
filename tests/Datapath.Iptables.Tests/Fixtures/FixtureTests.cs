using Portcullis.Datapath.Conformance;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Evaluator;
using Portcullis.Policy.Store;
using Portcullis.Resources;
using Portcullis.TestSupport.Fixtures;
using PolicyWorld = Portcullis.Policy.Store.World;

namespace Portcullis.Datapath.Iptables.Tests.Fixtures;

/// <summary>Every conformance fixture, packet by packet through a router; its actions are change sets. It needs root.</summary>
public abstract class FixtureTests(FixtureRouter router)
{
    // No fixture has it as a destination port, so no flow is the reply to another.
    private const ushort SourcePort = 40000;

    public static TheoryData<string> Fixtures => [.. Fixture.Names];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public async Task Packets_AtEveryStep_HaveTheExpectedVerdicts(string name)
    {
        var fixture = Fixture.Load(name);
        for (var step = 0; step < fixture.Steps.Count; step++)
        {
            await (step == 0 ? router.BeginAsync(fixture.Changes(step)) : router.ContinueAsync(fixture.Changes(step)));

            // What an endpoint sends itself by its own address never leaves it.
            FixtureFlow[] flows = [.. fixture.Flows(step).Where(flow => flow.Source != flow.Destination)];
            Assert.NotEmpty(flows);
            var world = router.World;
            var probes = flows.Where(flow => DifferenceOf(world, flow) == NamedDifference.None)
                .Select(flow => (Flow: flow, Packet: router.Number(flow, SourcePort), Expected: flow.Allowed))
                .Concat(Translated(world, flows, (ushort)(SourcePort - 1 - step)))
                .ToList();

            var arrived = router.Passing([.. probes.Select(probe => (probe.Packet, probe.Expected))]);

            var wrong = probes.Where(probe => probe.Expected != arrived.Contains(probe.Packet.Number)).Select(probe => probe.Flow).ToList();
            Assert.True(wrong.Count == 0, $"{fixture.Proves}\nstep {step}: {wrong.Count} of {probes.Count} wrong\n{string.Join('\n', wrong.Take(20))}");
        }
    }

    private static NamedDifference DifferenceOf(PolicyWorld world, FixtureFlow flow) =>
        world.Services.Any(service => service.ClusterIps.Contains(flow.Destination)) ? NamedDifference.ServiceTranslated : NamedDifference.None;

    // As a proxy for Services would; what it does not translate it does not let through either.
    private List<(FixtureFlow Flow, FixturePacket Packet, bool Expected)> Translated(PolicyWorld world, FixtureFlow[] flows, ushort sourcePort)
    {
        var evaluator = new PolicyEvaluator(world, new PolicyOptions());
        var probes = (
            from flow in flows
            where DifferenceOf(world, flow) == NamedDifference.ServiceTranslated
            from service in world.Services
            where service.ClusterIps.Contains(flow.Destination)
            from port in service.Ports.Items
            where (port.Protocol, port.Port) == (flow.Protocol, flow.Port)
            from backend in BackendsOf(world, service, flow.Destination.Family).Take(1)
            let target = port.TargetPort.Number!.Value
            let verdict = evaluator.Judge(flow.Source, backend, new Probe(flow.Protocol, target))
            let expected = flow.Source == backend ? flow.Allowed : verdict.Egress.Allowed && verdict.Ingress.Allowed
            select (Flow: flow, Backend: backend, Target: target, Expected: expected)).ToList();
        router.Translate(probes.Select(probe => (probe.Flow.Destination, probe.Flow.Protocol, probe.Flow.Port, probe.Backend, probe.Target)).Distinct());
        return probes.ConvertAll(probe => (probe.Flow, router.Number(probe.Flow, sourcePort), probe.Expected));
    }

    private static IEnumerable<IpAddress> BackendsOf(PolicyWorld world, Service service, IpFamily family) =>
        from workload in world.Workloads
        where workload.Namespace == service.Namespace && workload is { Ready: true, Finished: false }
        where service.Selector is { } selector && selector.All(label => workload.Labels.Contains(label))
        from address in workload.Addresses.Items
        where address.Family == family
        select address;
}

/// <summary>With nf_tables.</summary>
public sealed class NftFixtureTests(NftRouter router) : FixtureTests(router), IClassFixture<NftRouter>;

/// <summary>With ip_tables.</summary>
public sealed class LegacyFixtureTests(LegacyRouter router) : FixtureTests(router), IClassFixture<LegacyRouter>;
