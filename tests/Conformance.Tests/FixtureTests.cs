using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Policy.Evaluator;
using Portcullis.Policy.Manifests;
using Portcullis.Policy.Store;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Conformance;

/// <summary>Runs every fixture through the evaluator, the incremental compiler and a compiler that starts afresh at each step.</summary>
public sealed class FixtureTests
{
    private static readonly PolicyOptions Options = new();

    public static TheoryData<string> Fixtures =>
        [.. Directory.EnumerateFiles(Fixture.Root, "expected.json", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Fixture.Root, Path.GetDirectoryName(file)!))
            .Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Fixture_EveryStep_HasTheExpectedVerdicts(string name)
    {
        var folder = Path.Combine(Fixture.Root, name);
        var fixture = Fixture.Load(folder);
        var store = new PolicyStore();
        var incremental = new CompiledVerdicts(Options);
        for (var step = 0; step < fixture.Steps.Count; step++)
        {
            var changes = Changes(folder, step, fixture.Steps[step]);
            store.Apply(changes.AsSpan());
            incremental.Apply(changes);
            var world = store.ToWorld();
            var fresh = new CompiledVerdicts(Options);
            fresh.Apply(Everything(world));
            var evaluator = new PolicyEvaluator(world, Options);

            var wrong = fixture.Steps[step].Verdicts.SelectMany(verdicts => Wrong(fixture, verdicts, evaluator, incremental, fresh)).ToList();

            Assert.True(wrong.Count == 0, $"{fixture.Proves}\nstep {step}:\n{string.Join('\n', wrong.Take(20))}");
        }
    }

    private static ImmutableArray<ResourceChange> Changes(string folder, int step, FixtureStep expected)
    {
        var file = Path.Combine(folder, step == 0 ? "world.yaml" : $"step-{step}.yaml");
        var resources = File.Exists(file) ? ManifestReader.Read(File.ReadAllBytes(file), file).Resources : [];
        return [.. expected.Delete.Select(name => ResourceChange.Delete(Key(name))), .. resources.Select(ResourceChange.Upsert)];
    }

    private static ImmutableArray<ResourceChange> Everything(World world) =>
    [
        .. world.Namespaces.Select(ResourceChange.Upsert),
        .. world.Nodes.Select(ResourceChange.Upsert),
        .. world.Services.Select(ResourceChange.Upsert),
        .. world.Workloads.Select(ResourceChange.Upsert),
        .. world.NetworkPolicies.Select(ResourceChange.Upsert),
        .. world.ClusterNetworkPolicies.Select(ResourceChange.Upsert),
    ];

    private static ResourceKey Key(string name)
    {
        var (kind, rest) = (name[..name.IndexOf(' ', StringComparison.Ordinal)], name[(name.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        return new ResourceKey(
            kind == "Pod" ? ResourceKind.Workload : Enum.Parse<ResourceKind>(kind),
            slash < 0 ? string.Empty : rest[..slash],
            rest[(slash + 1)..]);
    }

    private static IEnumerable<string> Wrong(
        Fixture fixture, FixtureVerdicts verdicts, PolicyEvaluator evaluator, CompiledVerdicts incremental, CompiledVerdicts fresh)
    {
        var actors = fixture.Actors.ToArray();
        foreach (var flow in verdicts.Flows.Select(flow => flow.Split('/')))
        {
            var probe = new Probe(Enum.Parse<IpProtocol>(flow[0], ignoreCase: true), ushort.Parse(flow[1]));
            var family = Enum.Parse<IpFamily>(flow[2]);
            for (var from = 0; from < actors.Length; from++)
            {
                for (var to = 0; to < actors.Length; to++)
                {
                    var verdict = verdicts.Matrix[actors[from].Key][to];
                    if (verdict == '-')
                    {
                        continue;
                    }

                    var source = Address(actors[from].Value, family);
                    var destination = Address(actors[to].Value, family);
                    var (egress, ingress) = evaluator.Judge(source, destination, probe);
                    (string By, bool Allowed)[] answers =
                    [
                        ("evaluator", egress.Allowed && ingress.Allowed),
                        ("compiler", incremental.Allows(source, destination, probe)),
                        ("compiler from scratch", fresh.Allows(source, destination, probe)),
                    ];
                    foreach (var (by, allowed) in answers.Where(answer => answer.Allowed != (verdict == '1')))
                    {
                        yield return $"{by}: {actors[from].Key} -> {actors[to].Key} {string.Join('/', flow)} is {(allowed ? "allowed" : "denied")}";
                    }
                }
            }
        }
    }

    private static IpAddress Address(string[] addresses, IpFamily family) =>
        addresses.Select(IpAddress.Parse).Single(address => address.Family == family);

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
