using System.Collections.Immutable;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

/// <summary>
/// The loaded programs with one endpoint: packets go in by BPF_PROG_TEST_RUN, reasons come out. The endpoint is interface 1,
/// loopback, which is all that such a run can name; nothing is attached to it.
/// </summary>
public sealed unsafe class Judge : IDisposable
{
    private const int Ifindex = 1;

    private readonly EbpfGeneration _generation = EbpfGeneration.Load(TableCapacities.Estimate(new CompiledWorld()), PcConfigFlags.None, paths: null);
    private readonly RuleLowering _lowering;
    private readonly Dictionary<(Direction, string), RuleSetId> _ruleSets = [];
    private InterfacePlan? _plan;
    private readonly Queue<RuleSetId> _anew = [];
    private int _nextId = 1;
    private ulong _seed = 1;

    public Judge() => _lowering = new RuleLowering(_generation.Tables);

    internal EbpfGeneration Generation => _generation;

    /// <summary>A rule set that allows peers and ports; none: everything isolated.</summary>
    internal RuleSetId Allow(Direction direction, string peers, params PortRange[] ports)
    {
        var key = (direction, $"{peers} {string.Join(' ', ports)}");
        return _ruleSets.TryGetValue(key, out var known) ? known : _ruleSets[key] = Add(direction, peers, ports);
    }

    /// <summary>A rule set that denies nothing, and in audit mode everything but from peers.</summary>
    internal RuleSetId Audit(Direction direction, string peers)
    {
        var id = _nextId++;
        var isolation = new RuleReference(RuleOrigin.NetworkPolicy, new NamespacedName("test", $"audit{id}"), null);
        var prefixes = peers.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Prefix).ToImmutableArray();
        var rule = new Rule(RuleAction.Accept, new EquatableArray<PeerSetId>([new PeerSetId(id)]), null, isolation with { Rule = 0 });
        return Add(id, direction, prefixes, [], new EquatableArray<RuleTier>([new RuleTier(RuleTierKind.NetworkPolicy, [rule], isolation)]));
    }

    /// <summary>The same as a rule set of its own, with a peer set of its own.</summary>
    internal RuleSetId AllowAnew(Direction direction, string peers, params PortRange[] ports)
    {
        _anew.Enqueue(Add(direction, peers, ports));
        return _anew.Last();
    }

    /// <summary>Takes out all but the latest of <see cref="AllowAnew"/>, to which the endpoint points.</summary>
    internal void RemoveOlder()
    {
        var old = new List<RuleSetId>();
        while (_anew.Count > 1)
        {
            old.Add(_anew.Dequeue());
        }

        _lowering.Apply(new ChangeSet { Revision = _nextId, RemovedRuleSets = [.. old], RemovedPeerSets = [.. old.Select(id => new PeerSetId(id.Value))] });
        _lowering.Complete();
    }

    /// <summary>Makes the endpoint anew; what was permitted before is forgotten.</summary>
    internal void Endpoint(RuleSetId? ingress, RuleSetId? egress, string addresses, InterfaceSide side = InterfaceSide.Peer, bool allowSpoofing = false, bool keep = false)
    {
        _generation.Tables.Config->Seed[0] = (uint)_seed++;
        _generation.Tables.Config->Flags = keep ? (uint)PcConfigFlags.KeepEstablished : 0;
        SetEndpoint(ingress, egress, addresses, side, allowSpoofing);
        _generation.EndpointOf(Ifindex)->Heal = 0;
    }

    /// <summary>Gives the endpoint other rules; what was permitted before is remembered.</summary>
    internal void SetEndpoint(RuleSetId? ingress, RuleSetId? egress, string addresses, InterfaceSide side = InterfaceSide.Peer, bool allowSpoofing = false)
    {
        var endpoint = new Endpoint(
            new NamespacedName("test", "pod"), "lo", side, [.. addresses.Split(' ').Select(IpAddress.Parse)], ingress, egress, new Link("lo", Ifindex));
        var plan = InterfacePlan.For(endpoint, allowSpoofing, _lowering.RowReferenceOf)
            ?? new InterfacePlan(new Link("lo", Ifindex), endpoint.Workload, 0, PcEndpointFlags.Present, endpoint.Addresses);
        Set(plan);
    }

    internal void Close() => Set(_plan!.Close());

    internal void ForgetEndpoint()
    {
        _generation.ClearEndpoint(_plan!);
        _plan = null;
    }

    /// <summary>Has a frame judged and returns the reason the counters name.</summary>
    internal PcReason Send(Direction direction, byte[] frame)
    {
        var before = Counters();
        var atIngress = (direction == Direction.Egress) ^ (_plan?.Flags.HasFlag(PcEndpointFlags.Self) ?? false);
        var result = BpfProgram.Run(atIngress ? _generation.IngressProgram : _generation.EgressProgram, frame);
        var after = Counters();
        var counted = Enumerable.Range(0, Pc.CounterEventsLost).Where(i => after[i].Packets != before[i].Packets).ToArray();
        var index = Assert.Single(counted);
        var reason = (PcReason)(index % Pc.Reasons);
        Assert.Equal(1ul, after[index].Packets - before[index].Packets);
        Assert.Equal((ulong)frame.Length, after[index].Bytes - before[index].Bytes);
        Assert.Equal(Reasons.Verdict(reason) == Datapaths.FlowVerdict.Deny ? 2 : -1, result);
        if (reason != PcReason.NoEndpoint)
        {
            Assert.Equal((int)direction, index / Pc.Reasons);
        }

        return reason;
    }

    /// <summary>Whether a frame passes. From any thread.</summary>
    internal bool Passes(Direction direction, byte[] frame) =>
        BpfProgram.Run(direction == Direction.Egress ? _generation.IngressProgram : _generation.EgressProgram, frame) != 2;

    /// <summary>Only runs the program, for many packets.</summary>
    internal void SendUncounted(Direction direction, byte[] frame) =>
        BpfProgram.Run(direction == Direction.Egress ? _generation.IngressProgram : _generation.EgressProgram, frame);

    /// <summary>Makes another interface the owner of every permit there is.</summary>
    internal void GivePermitsTo(uint owner)
    {
        const uint OwnerMask = 0x00ffffff;
        Span<ulong> bucket = stackalloc ulong[16];
        for (var i = 0u; i < 65536; i++)
        {
            BpfMap.Get(_generation.PermitsFd, i, bucket, "reading permits");
            var changed = false;
            for (var way = 0; way < 8; way++)
            {
                if (bucket[2 * way] != 0)
                {
                    var (seen, kind) = ((uint)bucket[(2 * way) + 1], (uint)(bucket[(2 * way) + 1] >> 32) & ~OwnerMask);
                    bucket[(2 * way) + 1] = seen | ((ulong)(kind | owner) << 32);
                    changed = true;
                }
            }

            if (changed)
            {
                fixed (ulong* value = bucket)
                {
                    BpfException.Check(LibBpf.bpf_map_update_elem(_generation.PermitsFd, &i, value, 0), "writing permits");
                }
            }
        }
    }

    public void Dispose() => _generation.Dispose();

    private static IpPrefix Prefix(string text) =>
        text.Contains('/', StringComparison.Ordinal) ? IpPrefix.Parse(text) : new IpPrefix(IpAddress.Parse(text), IpAddress.Parse(text).Width);

    private RuleSetId Add(Direction direction, string peers, PortRange[] ports)
    {
        var id = _nextId++;
        var isolation = new RuleReference(RuleOrigin.NetworkPolicy, new NamespacedName("test", $"policy{id}"), null);
        var prefixes = peers.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Prefix).ToImmutableArray();
        var rule = new Rule(RuleAction.Accept, new EquatableArray<PeerSetId>([new PeerSetId(id)]), ports.Length == 0 ? null : new EquatableArray<PortRange>([.. ports]), isolation with { Rule = 0 });
        var tier = new RuleTier(RuleTierKind.NetworkPolicy, prefixes.IsEmpty ? [] : [rule], isolation);
        return Add(id, direction, prefixes, [tier], audit: null);
    }

    private RuleSetId Add(int id, Direction direction, ImmutableArray<IpPrefix> prefixes, EquatableArray<RuleTier> tiers, EquatableArray<RuleTier>? audit)
    {
        _lowering.Apply(new ChangeSet
        {
            Revision = id,
            PeerSets = [new PeerSetDelta(new PeerSetId(id), "test", prefixes, [])],
            RuleSets = [new RuleSet(new RuleSetId(id), direction, tiers, audit)],
        });
        _lowering.Complete();
        return new RuleSetId(id);
    }

    private PcCounter[] Counters()
    {
        var counters = new PcCounter[Pc.Counters];
        _generation.AddCounters(counters);
        return counters;
    }

    private void Set(InterfacePlan plan)
    {
        _generation.SetEndpoint(plan, _plan);
        _plan = plan;
    }
}
