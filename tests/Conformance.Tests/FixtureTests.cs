using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Policy.Evaluator;
using Portcullis.Policy.Store;
using Portcullis.Rules;
using Portcullis.Sources;
using Portcullis.TestSupport.Fixtures;

namespace Portcullis.Conformance;

/// <summary>Runs every fixture through the evaluator, the incremental compiler and a compiler that starts afresh at each step.</summary>
public sealed class FixtureTests
{
    private static readonly PolicyOptions Options = new();

    public static TheoryData<string> Fixtures => [.. Fixture.Names];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Fixture_EveryStep_HasTheExpectedVerdicts(string name)
    {
        var fixture = Fixture.Load(name);
        var store = new PolicyStore();
        var incremental = new CompiledVerdicts(Options);
        for (var step = 0; step < fixture.Steps.Count; step++)
        {
            var changes = fixture.Changes(step);
            store.Apply(changes.AsSpan());
            incremental.Apply(changes);
            var world = store.ToWorld();
            var fresh = new CompiledVerdicts(Options);
            fresh.Apply(Everything(world));
            var evaluator = new PolicyEvaluator(world, Options);

            var wrong = fixture.Flows(step).SelectMany(flow => Wrong(flow, evaluator, incremental, fresh)).ToList();

            Assert.True(wrong.Count == 0, $"{fixture.Proves}\nstep {step}:\n{string.Join('\n', wrong.Take(20))}");
        }
    }

    private static ImmutableArray<ResourceChange> Everything(World world) =>
    [
        .. world.Namespaces.Select(ResourceChange.Upsert),
        .. world.Nodes.Select(ResourceChange.Upsert),
        .. world.Services.Select(ResourceChange.Upsert),
        .. world.EndpointSlices.Select(ResourceChange.Upsert),
        .. world.Workloads.Select(ResourceChange.Upsert),
        .. world.NetworkPolicies.Select(ResourceChange.Upsert),
        .. world.ClusterNetworkPolicies.Select(ResourceChange.Upsert),
    ];

    private static IEnumerable<string> Wrong(
        FixtureFlow flow, PolicyEvaluator evaluator, CompiledVerdicts incremental, CompiledVerdicts fresh)
    {
        var probe = new Probe(flow.Protocol, flow.Port);
        var (egress, ingress) = evaluator.Judge(flow.Source, flow.Destination, probe);
        (string By, bool Allowed)[] answers =
        [
            ("evaluator", egress.Allowed && ingress.Allowed),
            ("compiler", incremental.Allows(flow.Source, flow.Destination, probe)),
            ("compiler from scratch", fresh.Allows(flow.Source, flow.Destination, probe)),
        ];
        return answers.Where(answer => answer.Allowed != flow.Allowed)
            .Select(answer => $"{answer.By}: {flow} is {(answer.Allowed ? "allowed" : "denied")}");
    }

    /// <summary>Verdicts of compiled rules: each end is asked if it is an endpoint.</summary>
    private sealed class CompiledVerdicts(PolicyOptions options)
    {
        private readonly PolicyCompiler _compiler = new(options);
        private readonly CompiledWorld _world = new();
        private long _revision;

        public void Apply(ImmutableArray<ResourceChange> changes)
        {
            _compiler.Apply(changes.AsSpan());
            _world.Apply(_compiler.Flush(++_revision));
        }

        public bool Allows(IpAddress from, IpAddress to, Probe probe) =>
            Allows(from, Direction.Egress, to, probe) && Allows(to, Direction.Ingress, from, probe);

        private bool Allows(IpAddress own, Direction direction, IpAddress peer, Probe probe) =>
            _world.Endpoints.Values.FirstOrDefault(endpoint => endpoint.Addresses.Contains(own)) is not { } subject
            || RuleSetJudge.Judge(_world, subject, direction, peer, probe).Allowed;
    }
}
