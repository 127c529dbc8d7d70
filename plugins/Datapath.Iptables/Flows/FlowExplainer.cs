using System.Collections.Frozen;
using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Flows;

/// <summary>Makes events of reported packets.</summary>
/// <param name="world">The rules in force; locked while it is read.</param>
/// <param name="names">The instance's names, by which its reports are known.</param>
internal sealed class FlowExplainer(World world, Names names)
{
    private static readonly FrozenDictionary<string, Fate> Fates = Verdicts.All.ToFrozenDictionary(fate => fate.Code);

    private volatile FrozenDictionary<int, Endpoint> _byInterface = ByInterface(world);

    /// <summary>The world has other endpoints now.</summary>
    public void EndpointsChanged()
    {
        lock (world)
        {
            _byInterface = ByInterface(world);
        }
    }

    /// <summary>The event of a packet; null when it concerns no endpoint of this instance.</summary>
    public FlowEvent? Explain(NflogPacket packet, TimeProvider time)
    {
        if (!names.IsOwn(packet.Prefix)
            || !Fates.TryGetValue(packet.Prefix[names.Prefix.Length..], out var fate)
            || PacketHeaders.Read(packet.Payload) is not { } headers
            || !_byInterface.TryGetValue(packet.Hook == NetfilterHook.Postrouting ? packet.OutInterface : packet.InInterface, out var endpoint))
        {
            return null;
        }

        return new FlowEvent(
            packet.Time ?? time.GetUtcNow(),
            endpoint.Workload,
            fate.Direction,
            fate.Verdict,
            fate.Reason,
            headers.Source,
            headers.SourcePort,
            headers.Destination,
            headers.DestinationPort,
            headers.Protocol,
            RuleOf(endpoint, fate, headers));
    }

    private RuleReference? RuleOf(Endpoint endpoint, Fate fate, PacketHeaders headers)
    {
        var id = fate.Direction == Direction.Ingress ? endpoint.Ingress : endpoint.Egress;
        if (id is null || fate.Reason is "spoofed" or "own-address")
        {
            return null;
        }

        lock (world)
        {
            if (!world.RuleSets.TryGetValue(id.Value, out var rules))
            {
                return null;
            }

            var tiers = fate.Verdict == FlowVerdict.AuditDeny ? rules.Audit ?? [] : rules.Tiers;
            var remote = fate.Direction == Direction.Ingress ? headers.Source : headers.Destination;
            return RuleFinder.Find(tiers, remote, headers.Protocol, headers.DestinationPort, fate.Verdict, world.Contains);
        }
    }

    private static FrozenDictionary<int, Endpoint> ByInterface(World world) =>
        world.Endpoints.Values.Where(endpoint => endpoint.Link is not null)
            .DistinctBy(endpoint => endpoint.Link!.Value.Index)
            .ToFrozenDictionary(endpoint => endpoint.Link!.Value.Index);
}
