using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Policy.Evaluator;
using Portcullis.Rules;
using Portcullis.TestSupport.Fixtures;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Policy.Tests;

/// <summary>Every conformance fixture, packet by packet through the loaded programs; its actions are change sets.</summary>
public sealed class FixtureTests(LoadedPrograms programs) : IClassFixture<LoadedPrograms>
{
    public static TheoryData<string> Fixtures => [.. Fixture.Names];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Packets_AtEveryStep_HaveTheExpectedVerdicts(string name)
    {
        var fixture = Fixture.Load(name);
        var compiler = new PolicyCompiler(new PolicyOptions());
        var compiled = new CompiledWorld();
        try
        {
            for (var step = 0; step < fixture.Steps.Count; step++)
            {
                compiler.Apply(fixture.Changes(step).AsSpan());
                var changes = compiler.Flush(step + 1);
                compiled.Apply(changes);
                programs.Apply(changes);
                // What an endpoint sends itself by its own address never leaves it.
                FixtureFlow[] flows = [.. fixture.Flows(step).Where(flow => flow.Source != flow.Destination)];
                Assert.NotEmpty(flows);
                var left = Passing(compiled, flows, Direction.Egress);
                var arrived = Passing(compiled, flows, Direction.Ingress);

                var wrong = flows.Where(flow => flow.Allowed != (left.Contains(flow) && arrived.Contains(flow))).ToList();

                Assert.True(wrong.Count == 0, $"{fixture.Proves}\nstep {step}:\n{string.Join('\n', wrong.Take(20))}");
            }
        }
        finally
        {
            programs.Clear(compiled);
        }
    }

    /// <summary>The flows whose first packet passes the endpoint at this end; where there is none it passes.</summary>
    private HashSet<FixtureFlow> Passing(CompiledWorld world, FixtureFlow[] flows, Direction direction)
    {
        var passing = new HashSet<FixtureFlow>();
        foreach (var atEnd in flows.GroupBy(flow => direction == Direction.Egress ? flow.Source : flow.Destination))
        {
            var endpoint = world.Endpoints.Values.SingleOrDefault(endpoint => endpoint.Addresses.Contains(atEnd.Key));
            if (endpoint is not null)
            {
                programs.SetEndpoint(endpoint, allowSpoofing: false, keep: false);
            }

            passing.UnionWith(atEnd.Where(flow => endpoint is null || programs.Passes(direction, Packet(flow))));
        }

        return passing;
    }

    private static byte[] Packet(FixtureFlow flow) => flow.Protocol switch
    {
        IpProtocol.Tcp => Ip(flow.Source, flow.Destination, 6, Tcp(40000, flow.Port, Syn)),
        IpProtocol.Udp => Ip(flow.Source, flow.Destination, 17, Udp(40000, flow.Port)),
        _ => Ip(flow.Source, flow.Destination, 132, Sctp(40000, flow.Port, 1)),
    };
}
