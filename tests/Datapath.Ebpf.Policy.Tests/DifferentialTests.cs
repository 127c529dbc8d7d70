using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using CsCheck;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Policy.Evaluator;
using Portcullis.Policy.Store;
using Portcullis.Policy.Tests.Properties;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Datapath.Ebpf.Policy.Tests;

/// <summary>
/// Random worlds, compiled, lowered and loaded; random packets through the programs. Verdict, reason and rule are what the
/// evaluator and the packet model say. PORTCULLIS_FUZZ_PACKETS=1000000 makes it the long run. A failure prints the seed, which
/// CsCheck_Seed=... reproduces.
/// </summary>
public sealed class DifferentialTests(ITestOutputHelper output, LoadedPrograms programs) : IClassFixture<LoadedPrograms>
{
    private const int PacketsPerEndpoint = 100;
    private const int EndpointsPerWorld = 3;

    private static readonly IpAddress[] Others =
    [
        .. RandomWorlds.Addresses, .. RandomWorlds.NodeAddresses, .. RandomWorlds.ClusterIps,
        .. new[] { "9.9.9.9", "0.0.0.0", "2001:db8::1", "::", "fe80::77", "ff02::1" }.Select(IpAddress.Parse),
    ];

    private static readonly long Packets =
        long.TryParse(Environment.GetEnvironmentVariable("PORTCULLIS_FUZZ_PACKETS"), CultureInfo.InvariantCulture, out var packets) ? packets : 60_000;

    private readonly Dictionary<PcReason, long> _seen = [];
    private long _sent;

    [Fact]
    public void Packets_OfAnyWorld_MeetTheFateTheModelTells()
    {
        for (var round = 0; _sent < Packets; round++)
        {
            Gen.Select(RandomWorlds.Options, RandomWorlds.World, Gen.Int).Sample(
                CheckWorld, iter: Math.Max(1, (Packets - _sent) / (PacketsPerEndpoint * EndpointsPerWorld)), threads: 1, print: Print);
            Assert.True(round < 100, "the worlds have no endpoints");
        }

        output.WriteLine($"{_sent} packets: {string.Join(", ", _seen.OrderBy(count => count.Key).Select(count => $"{count.Key} {count.Value}"))}");

        // A fuzz test that never gets somewhere proves nothing about it. Established takes a change of policy: see ReplyTests.
        PcReason[] expected =
        [
            PcReason.Allowed, PcReason.Unpoliced, PcReason.Reply, PcReason.OwnAddress, PcReason.Neighbour, PcReason.NonIp,
            PcReason.IcmpError, PcReason.Fragment, PcReason.Audit, PcReason.Denied, PcReason.Isolated, PcReason.Spoofed, PcReason.NonIpDenied,
            PcReason.Vlan, PcReason.Truncated, PcReason.Malformed, PcReason.ExtensionHeaders, PcReason.FragmentDenied,
        ];
        Assert.Empty(expected.Except(_seen.Keys));
    }

    private static string Print((PolicyOptions Options, Resource[] Resources, int Seed) world) =>
        $"frames {world.Seed}\n{world.Options}\n" + string.Join('\n', world.Resources.Select(resource => JsonSerializer.Serialize(resource, resource.GetType())));

    private void CheckWorld((PolicyOptions Options, Resource[] Resources, int Seed) world)
    {
        var random = new Random(world.Seed);
        var compiler = new PolicyCompiler(world.Options);
        compiler.Apply([.. world.Resources.Select(ResourceChange.Upsert)]);
        var changes = compiler.Flush(1);
        var compiled = new Portcullis.Policy.Evaluator.CompiledWorld();
        compiled.Apply(changes);
        var evaluator = new PolicyEvaluator(new World(world.Resources), world.Options);
        programs.Apply(changes);
        try
        {
            Endpoint[] endpoints = [.. compiled.Endpoints.Values];
            random.Shuffle(endpoints);
            foreach (var endpoint in endpoints.Take(EndpointsPerWorld))
            {
                CheckEndpoint(random, endpoint, new EvaluatedRules(evaluator, compiled, endpoint));
            }
        }
        finally
        {
            // A failure is followed by smaller worlds.
            programs.Clear(compiled);
        }
    }

    private void CheckEndpoint(Random random, Endpoint endpoint, EvaluatedRules rules)
    {
        var (allowSpoofing, keep) = (random.Next(3) == 0, random.Next(3) == 0);
        var checksSource = programs.SetEndpoint(endpoint, allowSpoofing, keep);
        var model = new PacketModel(rules, endpoint.Addresses, checksSource, keep);
        var frames = new RandomFrames(random, [.. endpoint.Addresses], Others);
        var history = new List<string>();
        for (var i = 0; i < PacketsPerEndpoint; i++)
        {
            var (direction, frame) = frames.Next();
            var packet = ModelPacket.Read(frame);
            var expected = model.Judge(direction, packet);
            history.Add($"{direction} {Convert.ToHexString(frame)} {expected}");
            var actual = programs.Send(direction, frame, expected.Reason);
            var rule = EvaluatedRules.ByPolicy(actual.Rule);
            var hasRule = expected.Reason is PcReason.Audit or PcReason.Denied or PcReason.Isolated
                || (expected.Reason == PcReason.Allowed && packet is { IsTcp: true, Opens: true });
            Assert.True(
                actual.Reason == expected.Reason && (!hasRule || rule == expected.Rule),
                $"{endpoint}, spoofing allowed {allowSpoofing}, keep {keep}: expected {expected}, got {actual}, after\n{string.Join('\n', history.TakeLast(12))}\n{packet}");
            _seen[expected.Reason] = _seen.GetValueOrDefault(expected.Reason) + 1;
            _sent++;
        }

        programs.CheckCounters();
    }
}
