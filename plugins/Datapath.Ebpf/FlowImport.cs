using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf;

/// <summary>
/// Gives flows that are older than the programs the permits they would have: each flow that the kernel follows is shown to the
/// programs once more by its opening packet, which is judged and remembered as any other, but not sent.
/// </summary>
internal sealed class FlowImport
{
    private readonly EbpfGeneration _generation;
    private readonly Dictionary<IpAddress, InterfacePlan> _owners = [];

    public FlowImport(EbpfGeneration generation, IEnumerable<InterfacePlan> plans)
    {
        _generation = generation;
        foreach (var plan in plans)
        {
            foreach (var address in plan.Addresses)
            {
                _owners.TryAdd(address, plan);
            }
        }
    }

    /// <summary>Shows every flow at the interfaces where it passed; how many packets that were.</summary>
    /// <exception cref="BpfException">The kernel refused.</exception>
    public int Run()
    {
        var shown = 0;
        if (_owners.Values.Any(plan => plan.Rows != 0))
        {
            foreach (var flow in Conntrack.Flows())
            {
                // Where a packet comes in it is still as it was sent; where it leaves, its addresses are translated.
                shown += Show(TcHook.Ingress, flow.Original) ? 1 : 0;
                shown += Show(TcHook.Egress, flow.Reply.Reversed) ? 1 : 0;
            }
        }

        return shown;
    }

    private bool Show(TcHook hook, FlowTuple opening)
    {
        // What comes in by an interface was sent by the workload behind it, or is for the machine itself.
        var isIngress = hook == TcHook.Ingress;
        if (!(_owners.TryGetValue(isIngress ? opening.Source : opening.Destination, out var plan) && !plan.Flags.HasFlag(PcEndpointFlags.Self))
            && !(_owners.TryGetValue(isIngress ? opening.Destination : opening.Source, out plan) && plan.Flags.HasFlag(PcEndpointFlags.Self)))
        {
            return false;
        }

        if (plan.Rows == 0)
        {
            return false;
        }

        try
        {
            BpfProgram.Run(isIngress ? _generation.IngressProgram : _generation.EgressProgram, OpeningPacket.Of(opening), ifindex: plan.Ifindex);
            return true;
        }
        catch (BpfException gone) when (gone.Errno == LibC.ENODEV)
        {
            return false;
        }
    }
}
