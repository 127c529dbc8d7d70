using System.Text.Json;
using CsCheck;
using Portcullis.Net;
using Portcullis.Policy.Evaluator;
using Portcullis.Policy.Store;
using Portcullis.Policy.Tests.Support;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;
using Xunit;

namespace Portcullis.Policy.Tests.Properties;

/// <summary>
/// Random worlds. The number of worlds a test tries is a few thousand; PORTCULLIS_PROPERTY_WORLDS=100000 makes it the
/// long run. A failure prints the seed, which CsCheck_Seed=... reproduces.
/// </summary>
public sealed class CompilerPropertyTests
{
    private static readonly Probe[] Probes =
    [
        new(IpProtocol.Tcp, 80), new(IpProtocol.Tcp, 81), new(IpProtocol.Tcp, 443), new(IpProtocol.Tcp, 8080), new(IpProtocol.Tcp, 9),
        new(IpProtocol.Udp, 80), new(IpProtocol.Sctp, 443), new(null, 0),
    ];

    private static readonly IpAddress[] Peers =
        [.. RandomWorlds.Addresses, .. RandomWorlds.NodeAddresses, .. RandomWorlds.ClusterIps, IpAddress.Parse("9.9.9.9"), IpAddress.Parse("2001:db8::1")];

    private static long Worlds(long normal) =>
        long.TryParse(Environment.GetEnvironmentVariable("PORTCULLIS_PROPERTY_WORLDS"), out var worlds) ? worlds : normal;

    [Fact]
    public void Compiler_AnyWorld_AgreesWithEvaluator() =>
        Gen.Select(RandomWorlds.Options, RandomWorlds.World).Sample(
            (options, resources) => CheckVerdicts(Compiled.From(options, resources), new PolicyEvaluator(new World(resources), options), options),
            iter: Worlds(3000),
            threads: 2,
            print: Print);

    [Fact]
    public void Compiler_AnyChanges_EndsWhereScratchEnds() =>
        Gen.Select(RandomWorlds.Options, RandomWorlds.Change.Array[1, 8].Array[1, 8]).Sample(
            (options, batches) => CheckIncremental(options, batches),
            iter: Worlds(1500),
            threads: 2);

    private static string Print((PolicyOptions Options, Resource[] Resources) world) =>
        world.Options + "\n" + string.Join('\n', world.Resources.Select(resource => JsonSerializer.Serialize(resource, resource.GetType())));

    private static void CheckVerdicts(Compiled compiled, PolicyEvaluator evaluator, PolicyOptions options)
    {
        foreach (var endpoint in compiled.World.Endpoints.Values)
        {
            var subject = evaluator.World.Workloads.First(workload => workload.Key.NamespacedName == endpoint.Workload);
            Assert.Equal(evaluator.AddressesOf(subject), endpoint.Addresses);
            foreach (var peer in Peers.Distinct().Where(peer => !endpoint.Addresses.Contains(peer)))
            {
                foreach (var probe in Probes)
                {
                    foreach (var direction in new[] { Direction.Ingress, Direction.Egress })
                    {
                        var compiledVerdict = RuleSetJudge.Judge(compiled.World, endpoint, direction, peer, probe);
                        var verdict = evaluator.Judge(direction, subject, peer, probe);
                        var expected = new RuleSetVerdict(verdict.Allowed, verdict.DecidedBy, verdict.AuditDeniedBy);
                        Assert.True(
                            expected == compiledVerdict with { DecidedBy = ByPolicy(compiledVerdict.DecidedBy) },
                            $"{direction} of {endpoint.Workload}, peer {peer}, {probe}: evaluator {expected} ({verdict.Reason}), compiler {compiledVerdict}");
                    }
                }
            }
        }

        foreach (var workload in evaluator.World.Workloads.Where(workload => evaluator.AddressesOf(workload).Any()))
        {
            var isHere = options.NodeName is null || workload.NodeName is null || workload.NodeName == options.NodeName;
            Assert.Equal(isHere, compiled.World.Endpoints.ContainsKey(workload.Key.NamespacedName));
        }
    }

    // The evaluator attributes to nobody what compiled rules attribute to a Service as such.
    private static RuleReference? ByPolicy(RuleReference? reference) =>
        reference is { Origin: RuleOrigin.Portcullis, Policy.Name: "service" } ? null : reference;

    private static void CheckIncremental(PolicyOptions options, ResourceChange[][] batches)
    {
        var store = new PolicyStore();
        var step = new Compiled(options);
        var states = new List<ResourceChange[]>();
        foreach (var batch in batches)
        {
            step.Apply([.. store.Apply(batch)]);
            states.Add(AllOf(store));
            Assert.Equal(Scratch(options, states[^1]), step.Canonical());
            Assert.Equal(step.Canonical(), step.CanonicalSnapshot());
            Assert.True(step.Apply([]).IsEmpty, "a flush without changes is not empty");
            Assert.True(step.Apply(states[^1]).IsEmpty, "upserts without effect are not without effect");
        }

        var final = step.Canonical();
        var one = new Compiled(options);
        foreach (var change in batches.SelectMany(batch => batch))
        {
            one.Apply(change);
        }

        Assert.Equal(final, one.Canonical());
        var squashed = new Compiled(options);
        squashed.Apply([.. batches.SelectMany(batch => batch)]);
        Assert.Equal(final, squashed.Canonical());
        Assert.Equal(final, Scratch(options, [.. states[^1].Reverse()]));
        WalkBack(options, states, step);
        DeleteAll(step, states[0]);
        DeleteAll(one, states[^1]);
    }

    private static void WalkBack(PolicyOptions options, List<ResourceChange[]> states, Compiled compiled)
    {
        for (var i = states.Count - 2; i >= 0; i--)
        {
            var wanted = states[i].ToDictionary(change => change.Key);
            compiled.Apply([
                .. states[i + 1].Where(change => !wanted.ContainsKey(change.Key)).Select(change => ResourceChange.Delete(change.Key)),
                .. states[i]]);
            Assert.Equal(Scratch(options, states[i]), compiled.Canonical());
        }
    }

    private static void DeleteAll(Compiled compiled, ResourceChange[] state)
    {
        foreach (var change in state)
        {
            compiled.Apply(ResourceChange.Delete(change.Key));
        }

        Assert.True(compiled.Compiler.IsEmpty, $"something is left: {compiled.Compiler.Metrics}");
        Assert.Empty(compiled.World.Endpoints);
    }

    private static SortedDictionary<string, string> Scratch(PolicyOptions options, ResourceChange[] state)
    {
        var compiled = new Compiled(options);
        compiled.Apply(state);
        return compiled.Canonical();
    }

    private static ResourceChange[] AllOf(PolicyStore store)
    {
        var world = store.ToWorld();
        var namespaces = RandomWorlds.Namespaces.Select(world.FindNamespace).OfType<Resource>();
        return
        [
            .. namespaces.Concat(world.Workloads).Concat(world.Services).Concat(world.EndpointSlices).Concat(world.Nodes).Concat(world.NetworkPolicies)
                .Concat(world.ClusterNetworkPolicies).Select(ResourceChange.Upsert),
        ];
    }
}
