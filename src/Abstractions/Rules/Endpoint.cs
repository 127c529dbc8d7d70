using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Rules;

/// <summary>An interface that exists.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Index">Its index, positive. The kernel may give it to another interface once this one is gone.</param>
/// <param name="Incarnation">Tells interfaces apart that had the same index one after the other, as long as this process lives.</param>
public readonly record struct Link(string Name, int Index, int Incarnation = 0);

/// <summary>A local workload, as a datapath enforces it.</summary>
/// <param name="Workload">The workload's name, which identifies the endpoint.</param>
/// <param name="InterfaceName">The name the source gives for its interface; null: found by the route to its address.</param>
/// <param name="Side">On which side of the interface it is.</param>
/// <param name="Addresses">
/// The addresses it owns. With <see cref="InterfaceSide.Peer"/> it may send from no others unless spoofing is allowed.
/// </param>
/// <param name="Ingress">What decides traffic towards it; null: everything passes.</param>
/// <param name="Egress">What decides traffic from it; null: everything passes.</param>
/// <param name="Link">
/// The interface as found on this machine; null while it is absent: there is nothing to enforce yet. The compiler leaves
/// it null, the host fills it in.
/// </param>
public sealed record Endpoint(
    NamespacedName Workload,
    string? InterfaceName,
    InterfaceSide Side,
    EquatableArray<IpAddress> Addresses,
    RuleSetId? Ingress,
    RuleSetId? Egress,
    Link? Link = null)
{
    /// <summary>While the interface is absent: the names it may come by. The host fills them in.</summary>
    public EquatableArray<string> AwaitedInterfaces { get; init; } = [];
}
