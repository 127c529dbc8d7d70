using Portcullis.Datapath.Iptables.Native;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Flows;

/// <summary>
/// Finds flows whose opener conntrack has wrong. Of a flow that was under way when it began to look, it takes the end that sent
/// first since for the opener, and that may be the one that answers.
/// </summary>
/// <param name="world">The rules.</param>
internal sealed class FlowOpeners(World world)
{
    private readonly Dictionary<IpAddress, Endpoint> _owners = world.Endpoints.Values
        .SelectMany(endpoint => endpoint.Addresses.Items.Select(address => (address, endpoint)))
        .DistinctBy(pair => pair.address)
        .ToDictionary(pair => pair.address, pair => pair.endpoint);

    /// <summary>Whether only the other end may have opened a flow that packets pass on.</summary>
    public bool IsWrong(TrackedFlow flow) => !MayOpen(flow) && MayOpen(flow.Reversed);

    private bool MayOpen(TrackedFlow flow) =>
        Allows(flow.Source, Direction.Egress, flow.Destination, flow) && Allows(flow.Destination, Direction.Ingress, flow.Source, flow);

    private bool Allows(IpAddress own, Direction direction, IpAddress remote, TrackedFlow flow) =>
        !_owners.TryGetValue(own, out var endpoint)
        || (direction == Direction.Ingress ? endpoint.Ingress : endpoint.Egress) is not { } rules
        || RuleFinder.Judge(world.RuleSets[rules].Tiers, remote, flow.Protocol, flow.DestinationPort, world.Contains).IsAllowed;
}
