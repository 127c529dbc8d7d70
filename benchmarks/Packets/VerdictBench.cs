using System.Buffers.Binary;
using System.Collections.Immutable;
using Portcullis.Benchmarks.Running;
using Portcullis.Datapath.Ebpf;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Benchmarks.Packets;

/// <summary>The duration of one run on one packet, and of the empty program measured around it.</summary>
/// <param name="Packet">What was measured.</param>
/// <param name="Nanoseconds">That of the fastest round.</param>
/// <param name="Empty">That of the empty program.</param>
/// <param name="Rounds">That of every round.</param>
internal sealed record Measurement(string Packet, double Nanoseconds, double Empty, IReadOnlyList<double> Rounds)
{
    /// <summary>What it costs above the empty program.</summary>
    public double Above => Nanoseconds - Empty;
}

/// <summary>Packets through the real programs and tables, as the lowering fills them.</summary>
internal sealed unsafe class VerdictBench : IDisposable
{
    public const int Peers = 100_000;

    private const int Ifindex = 1;
    private const int Sets = 100;
    private const int Repeat = 20_000;
    private const int Rounds = 75;
    private const byte Syn = 0x02;
    private const byte Ack = 0x10;

    private static readonly IpAddress Pod4 = IpAddress.Parse("10.255.0.1");
    private static readonly IpAddress Pod6 = IpAddress.Parse("fd00:ffff::1");

    private readonly BpfObject _reference = BpfObject.Open("bench.bpf.o");
    private EbpfGeneration? _generation;
    private RuleLowering? _lowering;

    /// <summary>100 peer sets of 1,000 addresses of each family; every rule set refers to all of them.</summary>
    public void Load()
    {
        _reference.Load();
        var world = new CompiledWorld();
        world.Apply(new ChangeSet
        {
            Revision = 1,
            PeerSets = [.. Enumerable.Range(0, Sets).Select(PeerSet)],
            RuleSets =
            [
                RuleSet(1, Direction.Ingress, null),
                RuleSet(2, Direction.Egress, null),
                RuleSet(3, Direction.Ingress, [.. Enumerable.Range(0, 9).Select(i => new PortRange(IpProtocol.Tcp, (ushort)(i * 1000), (ushort)((i * 1000) + 500)))]),
                RuleSet(4, Direction.Ingress, [new PortRange(IpProtocol.Udp, 1, 1)]),
                RuleSet(5, Direction.Egress, [new PortRange(IpProtocol.Udp, 1, 1)]),
                new RuleSet(new RuleSetId(6), Direction.Ingress, [Isolation(6)]),
                new RuleSet(new RuleSetId(7), Direction.Egress, [Isolation(7)]),
            ],
        });
        world.Complete();
        for (var capacities = TableCapacities.Estimate(world); _lowering is null;)
        {
            _generation = EbpfGeneration.Load(capacities, PcConfigFlags.None, paths: null);
            try
            {
                _lowering = new RuleLowering(_generation.Tables, world);
            }
            catch (TableFullException full)
            {
                _generation.Dispose();
                capacities = capacities.Grow(full);
            }
        }
    }

    /// <summary>
    /// All packets take turns, each beside the empty program, for many short rounds: what else the machine does, and what its processors
    /// share with others, hits all of them alike, and the fastest round of each is the one that was disturbed least.
    /// </summary>
    public IEnumerable<Measurement> Measure()
    {
        FillReference();
        Case[] cases =
        [
            Judged("IPv4 TCP, allowed", Frame(Peer4(70_001), Pod4, 6, Ack), ingress: 1, egress: 0),
            Judged("IPv4 TCP, allowed, both directions policed", Frame(Peer4(70_002), Pod4, 6, Ack), ingress: 1, egress: 2),
            Judged("IPv4 TCP, allowed by port list of 9 ranges", Frame(Peer4(70_003), Pod4, 6, Ack), ingress: 3, egress: 0),
            Judged("IPv4 TCP, new connection, denied", Frame(Peer4(70_004), Pod4, 6, Syn), ingress: 6, egress: 2),
            Judged("IPv4 TCP, denied, both directions isolated", Frame(Peer4(70_005), Pod4, 6, Ack), ingress: 6, egress: 7),
            Judged("IPv4 TCP, denied, no reply permit found", Frame(Peer4(70_006), Pod4, 6, Ack), ingress: 6, egress: 2),
            Judged("IPv4 TCP, denied by port lists of both directions", Frame(Peer4(70_007), Pod4, 6, Ack), ingress: 4, egress: 5),
            Judged("IPv4 UDP, allowed, reply permit kept alive", Frame(Peer4(70_008), Pod4, 17, 0), ingress: 1, egress: 5),
            Judged("IPv4 TCP, new connection, reply permit granted", Frame(Peer4(70_009), Pod4, 6, Syn), ingress: 1, egress: 5),
            Judged("IPv4 TCP, reply by permit", Frame(Peer4(70_010), Pod4, 6, Ack), ingress: 4, egress: 2, opener: Frame(Pod4, Peer4(70_010), 6, Syn)),
            Judged("IPv6 TCP, allowed", Frame(Peer6(70_011), Pod6, 6, Ack), ingress: 1, egress: 0),
            Judged("IPv6 TCP, reply by permit", Frame(Peer6(70_012), Pod6, 6, Ack), ingress: 4, egress: 2, opener: Frame(Pod6, Peer6(70_012), 6, Syn)),
            Reference("for comparison: parsing alone", "bench_parse"),
            Reference("for comparison: one hash lookup, 100k entries", "bench_hash_lookup"),
            Reference("for comparison: one LRU hash lookup, 100k entries", "bench_lru_lookup"),
            Reference("for comparison: one LPM trie lookup, 100k entries", "bench_lpm_lookup"),
        ];
        var times = cases.Select(_ => new double[Rounds]).ToArray();
        var emptyTimes = cases.Select(_ => double.MaxValue).ToArray();
        var empty = _reference.ProgramFd("bench_empty");
        for (var round = 0; round < Rounds; round++)
        {
            Pace.WaitForUsual();
            foreach (var (i, packet) in cases.Index())
            {
                packet.Prepare();
                emptyTimes[i] = Math.Min(emptyTimes[i], ProgramTimer.Nanoseconds(empty, packet.Frame, Repeat));
                times[i][round] = ProgramTimer.Nanoseconds(packet.Program, packet.Frame, Repeat);
            }
        }

        return cases.Zip(times, emptyTimes).Select(one => new Measurement(one.First.Name, one.Second.Min(), one.Third, one.Second));
    }

    public void Dispose()
    {
        _generation?.Dispose();
        _reference.Dispose();
    }

    private static IpAddress Peer4(int i) => IpAddress.V4(0x0a000000u + ((uint)i * 5));

    private static IpAddress Peer6(int i) => IpAddress.V6(((UInt128)0xfd00_0000_0000_0000 << 64) + ((UInt128)(uint)(i / 250) << 64) + (uint)i);

    private static PeerSetDelta PeerSet(int set)
    {
        var members = Enumerable.Range(set * (Peers / Sets), Peers / Sets);
        var prefixes = members.SelectMany(i => (IpPrefix[])[new IpPrefix(Peer4(i), 32), new IpPrefix(Peer6(i), 128)]);
        return new PeerSetDelta(new PeerSetId(set + 1), $"set {set}", [.. prefixes], []);
    }

    private static RuleSet RuleSet(int id, Direction direction, ImmutableArray<PortRange>? ports)
    {
        var reference = Reference(id);
        EquatableArray<PeerSetId> peers = [.. Enumerable.Range(1, Sets).Select(set => new PeerSetId(set))];
        var rule = new Rule(RuleAction.Accept, peers, ports is { } ranges ? new EquatableArray<PortRange>(ranges) : null, reference with { Rule = 0 });
        return new RuleSet(new RuleSetId(id), direction, [new RuleTier(RuleTierKind.NetworkPolicy, [rule], reference)]);
    }

    private static RuleTier Isolation(int id) => new(RuleTierKind.NetworkPolicy, [], Reference(id));

    private static RuleReference Reference(int id) => new(RuleOrigin.NetworkPolicy, new NamespacedName("bench", $"policy{id}"), null);

    public static byte[] Frame(IpAddress source, IpAddress destination, byte protocol, byte tcpFlags)
    {
        var isIp4 = source.Family == IpFamily.IPv4;
        var header = isIp4 ? 20 : 40;
        var frame = new byte[14 + header + 40];
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), isIp4 ? (ushort)0x0800 : (ushort)0x86dd);
        frame[14] = isIp4 ? (byte)0x45 : (byte)0x60;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(isIp4 ? 16 : 18), (ushort)(isIp4 ? header + 40 : 40));
        frame[isIp4 ? 23 : 20] = protocol;
        source.WriteNetworkOrder(frame.AsSpan(isIp4 ? 26 : 22));
        destination.WriteNetworkOrder(frame.AsSpan(isIp4 ? 30 : 38));
        var isFromPod = source == Pod4 || source == Pod6;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(14 + header), (ushort)(isFromPod ? 8100 : 40000));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(14 + header + 2), (ushort)(isFromPod ? 40000 : 8100));
        frame[14 + header + 12] = 0x50;
        frame[14 + header + 13] = tcpFlags;
        return frame;
    }

    private void SetEndpoint(int ingress, int egress)
    {
        var endpoint = new Endpoint(
            new NamespacedName("bench", "pod"), "lo", InterfaceSide.Peer, [Pod4, Pod6],
            ingress == 0 ? null : new RuleSetId(ingress), egress == 0 ? null : new RuleSetId(egress), new Link("lo", Ifindex));
        var plan = InterfacePlan.For(endpoint, allowSpoofing: false, _lowering!.RowReferenceOf)!;
        _generation!.SetEndpoint(plan, before: null);
        _generation.EndpointOf(Ifindex)->Heal = 0;
    }

    private Case Judged(string name, byte[] frame, int ingress, int egress, byte[]? opener = null) => new(
        name,
        _generation!.EgressProgram,
        frame,
        () =>
        {
            SetEndpoint(ingress, egress);
            if (opener is not null)
            {
                BpfProgram.Run(_generation.IngressProgram, opener);
            }
        });

    private Case Reference(string name, string program) =>
        new(name, _reference.ProgramFd(program), Frame(Peer4(70_000), Pod4, 6, Ack), () => { });

    private void FillReference()
    {
        for (var i = 0; i < Peers; i++)
        {
            var address = BinaryPrimitives.ReverseEndianness((uint)Peer4(i).Bits);
            BpfMap.Set(_reference.MapFd("bench_hash"), address, 1u, "filling the hash");
            BpfMap.Set(_reference.MapFd("bench_lru"), address, 1u, "filling the LRU hash");
            BpfMap.Set(_reference.MapFd("bench_lpm"), 32ul | ((ulong)address << 32), 1u, "filling the trie");
        }
    }

    /// <summary>A packet, the program it runs through, and what brings the tables into the state it needs.</summary>
    private sealed record Case(string Name, int Program, byte[] Frame, Action Prepare);
}
