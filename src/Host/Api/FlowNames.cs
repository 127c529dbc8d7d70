using System.Collections.Frozen;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Policy.Store;
using Portcullis.Rules;

namespace Portcullis.Host.Api;

/// <summary>Gives the addresses of verdict events the names of their workloads.</summary>
internal sealed class FlowNames
{
    private readonly FrozenDictionary<IpAddress, NamespacedName> _owners;

    /// <summary>Takes the owners of a world's addresses: of two live workloads with one address the younger.</summary>
    public FlowNames(World world)
    {
        var owners = new Dictionary<IpAddress, NamespacedName>();
        foreach (var workload in world.Workloads.Where(workload => workload is { Finished: false, HostNetwork: false }).OrderBy(workload => workload.CreatedAt))
        {
            foreach (var address in workload.Addresses)
            {
                owners[address] = workload.Key.NamespacedName;
            }
        }

        _owners = owners.ToFrozenDictionary();
    }

    /// <summary>The event as scripts see it.</summary>
    public FlowDto Describe(FlowEvent flow)
    {
        var source = flow.Direction == Direction.Egress ? flow.Workload : Owner(flow.Source);
        var destination = flow.Direction == Direction.Ingress ? flow.Workload : Owner(flow.Destination);
        return new FlowDto(
            flow.Time,
            flow.Direction == Direction.Ingress ? "ingress" : "egress",
            flow.Verdict switch { FlowVerdict.Allow => "allow", FlowVerdict.Deny => "deny", _ => "audit-deny" },
            flow.Reason,
            new FlowPeerDto(flow.Source.ToString(), flow.SourcePort, source?.Namespace, source?.Name),
            new FlowPeerDto(flow.Destination.ToString(), flow.DestinationPort, destination?.Namespace, destination?.Name),
            Protocol(flow.Protocol),
            flow.Rule is { Kind: { } kind } rule ? new FlowPolicyDto(kind, NullIfEmpty(rule.Policy.Namespace), rule.Policy.Name, rule.Rule) : null);
    }

    private NamespacedName? Owner(IpAddress address) => _owners.TryGetValue(address, out var name) ? name : null;

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;

    private static string Protocol(byte number) => number switch
    {
        1 => "ICMP",
        (byte)IpProtocol.Tcp => "TCP",
        (byte)IpProtocol.Udp => "UDP",
        58 => "ICMPv6",
        (byte)IpProtocol.Sctp => "SCTP",
        _ => $"{number}",
    };
}
