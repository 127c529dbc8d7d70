using System.Runtime.InteropServices;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;
using Portcullis.Datapaths;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Policy.Tests;

/// <summary>The loaded programs, given one world after another. One endpoint at a time is interface 1.</summary>
public sealed unsafe class LoadedPrograms : IDisposable
{
    private const int Ifindex = 1;

    private readonly EbpfGeneration _generation = EbpfGeneration.Load(new TableCapacities(4096, 4096, 512, 4096, 65536, 4096), PcConfigFlags.None, paths: null);
    private readonly RuleLowering _lowering;
    private readonly EventRing _ring;
    private readonly PcCounter[] _counters = new PcCounter[Pc.Counters];
    private InterfacePlan? _plan;

    public LoadedPrograms()
    {
        _lowering = new RuleLowering(_generation.Tables);
        _ring = new EventRing(_generation.EventsFd);
    }

    /// <summary>Writes a change set into the tables.</summary>
    internal void Apply(ChangeSet changes)
    {
        _lowering.Apply(changes with { Replace = false });
        _lowering.Complete();
    }

    /// <summary>Takes out all that change sets added up to.</summary>
    internal void Clear(Portcullis.Policy.Evaluator.CompiledWorld world) => Apply(new ChangeSet
    {
        Revision = long.MaxValue,
        RemovedRuleSets = [.. world.RuleSets.Keys],
        RemovedPeerSets = [.. world.PeerSets.Keys],
    });

    /// <summary>Whether a frame passes.</summary>
    internal bool Passes(Direction direction, byte[] frame) => BpfProgram.Run(ProgramOf(direction), frame) != 2;

    /// <summary>Makes an endpoint the only one; by other secrets, so nothing is remembered. Whether its source addresses are checked.</summary>
    internal bool SetEndpoint(Endpoint endpoint, bool allowSpoofing, bool keep)
    {
        Random.Shared.NextBytes(MemoryMarshal.AsBytes((Span<uint>)_generation.Tables.Config->Seed));
        _generation.Tables.Config->EventTokens = uint.MaxValue;
        _generation.Tables.Config->Flags = (uint)(PcConfigFlags.Events | (keep ? PcConfigFlags.KeepEstablished : PcConfigFlags.None));
        var plan = InterfacePlan.For(endpoint with { Link = new Link("lo", Ifindex) }, allowSpoofing, _lowering.RowReferenceOf)
            ?? new InterfacePlan(new Link("lo", Ifindex), endpoint.Workload, 0, PcEndpointFlags.Present | (endpoint.Side == InterfaceSide.Self ? PcEndpointFlags.Self : PcEndpointFlags.None), endpoint.Addresses);
        _generation.SetEndpoint(plan, _plan);
        _generation.EndpointOf(Ifindex)->Heal = 0;
        _plan = plan;
        Array.Clear(_counters);
        _generation.AddCounters(_counters);
        return plan.Flags.HasFlag(PcEndpointFlags.CheckSource);
    }

    /// <summary>Has a frame judged. The rule is known of packets that make an event.</summary>
    internal Fate Send(Direction direction, byte[] frame, PcReason expected)
    {
        var result = BpfProgram.Run(ProgramOf(direction), frame);
        var events = _ring.Poll(0);
        Assert.True(events.Count <= 1, $"{events.Count} events for one packet");
        var index = ((int)direction * Pc.Reasons) + (int)expected;
        _counters[index].Packets++;
        _counters[index].Bytes += (ulong)frame.Length;
        var reason = _generation.Counter(index).Packets == _counters[index].Packets ? expected : Counted(index);
        Assert.Equal(Reasons.Verdict(reason) == FlowVerdict.Deny ? 2 : -1, result);
        if (events.Count == 0)
        {
            Assert.True(reason < PcReason.Audit, $"no event for {reason}");
            return new Fate(reason);
        }

        Assert.Equal((reason, direction), ((PcReason)events[0].Reason, (Direction)events[0].Direction));
        return new Fate(reason, _lowering.RuleOf(events[0].Rule));
    }

    /// <summary>Every packet was counted once, where it was expected, with its bytes.</summary>
    internal void CheckCounters()
    {
        var now = new PcCounter[Pc.Counters];
        _generation.AddCounters(now);
        Assert.Equal(_counters, now);
    }

    public void Dispose()
    {
        _ring.Dispose();
        _generation.Dispose();
    }

    /// <summary>The reason that the last packet was counted under instead.</summary>
    private PcReason Counted(int expected)
    {
        var now = new PcCounter[Pc.Counters];
        _generation.AddCounters(now);
        _counters[expected].Packets--;
        var counted = Enumerable.Range(0, Pc.Counters).First(i => now[i].Packets != _counters[i].Packets);
        return (PcReason)(counted % Pc.Reasons);
    }

    private int ProgramOf(Direction direction)
    {
        var atIngress = (direction == Direction.Egress) ^ _plan!.Flags.HasFlag(PcEndpointFlags.Self);
        return atIngress ? _generation.IngressProgram : _generation.EgressProgram;
    }
}
