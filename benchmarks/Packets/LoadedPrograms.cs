using Portcullis.Datapath.Ebpf;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;
using Portcullis.Datapaths;
using Portcullis.Rules;

namespace Portcullis.Benchmarks.Packets;

/// <summary>The eBPF programs with a world in their tables, attached nowhere: packets are run on them as if on loopback.</summary>
internal sealed unsafe class LoadedPrograms : IDisposable
{
    // The interface of packets that BPF_PROG_TEST_RUN makes up.
    private const int Loopback = 1;

    private readonly BpfObject _reference = BpfObject.Open("bench.bpf.o");
    private readonly Dictionary<NamespacedName, Endpoint> _endpoints;
    private readonly EbpfGeneration _generation;
    private readonly RuleLowering _lowering;
    private NamespacedName? _endpoint;

    /// <summary>Loads programs and writes a world into their tables.</summary>
    public LoadedPrograms(ChangeSet changes)
    {
        _reference.Load();
        _endpoints = changes.Endpoints.ToDictionary(endpoint => endpoint.Workload, endpoint => endpoint with { Link = new Link("lo", Loopback) });
        var world = new CompiledWorld();
        world.Apply(changes);
        world.Complete();
        (_generation, _lowering) = Build(world);
    }

    /// <summary>How full the tables are.</summary>
    public IReadOnlyList<TableUsage> Tables => _lowering.Usage;

    /// <summary>Runs the empty program.</summary>
    public void RunEmpty(byte[] frame, int runs) => BpfProgram.Run(_reference.ProgramFd("bench_empty"), frame, runs);

    /// <summary>Runs a packet towards a pod.</summary>
    /// <returns>Whether it passes.</returns>
    public bool Receive(NamespacedName pod, byte[] frame, int runs) => Run(pod, _generation.EgressProgram, frame, runs);

    /// <summary>Runs a packet from a pod.</summary>
    /// <returns>Whether it passes.</returns>
    public bool Send(NamespacedName pod, byte[] frame, int runs = 1) => Run(pod, _generation.IngressProgram, frame, runs);

    public void Dispose()
    {
        _generation.Dispose();
        _reference.Dispose();
    }

    private static (EbpfGeneration Generation, RuleLowering Lowering) Build(CompiledWorld world)
    {
        for (var capacities = TableCapacities.Estimate(world); ;)
        {
            var generation = EbpfGeneration.Load(capacities, PcConfigFlags.None, paths: null);
            try
            {
                return (generation, new RuleLowering(generation.Tables, world));
            }
            catch (TableFullException full)
            {
                generation.Dispose();
                capacities = capacities.Grow(full);
            }
        }
    }

    private bool Run(NamespacedName pod, int program, byte[] frame, int runs)
    {
        const int Drop = 2;
        if (_endpoint != pod)
        {
            _generation.SetEndpoint(InterfacePlan.For(_endpoints[pod], allowSpoofing: false, _lowering.RowReferenceOf)!, before: null);
            _generation.EndpointOf(Loopback)->Heal = 0;
            _endpoint = pod;
        }

        return BpfProgram.Run(program, frame, runs) != Drop;
    }
}
