using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Evaluator;

/// <summary>One end of a connection that is to be explained.</summary>
/// <param name="Name">What the user called it.</param>
/// <param name="Addresses">The address to use of each family it has.</param>
public sealed record Party(string Name, ImmutableArray<IpAddress> Addresses);

/// <summary>Whether something is allowed, and what decided in each direction.</summary>
/// <param name="Family">The IP version this is about: when several were judged, the first that is denied.</param>
/// <param name="Egress">What the sender's rules say.</param>
/// <param name="Ingress">What the receiver's rules say.</param>
public sealed record Explanation(IpFamily Family, Verdict Egress, Verdict Ingress)
{
    /// <summary>Whether both directions allow it.</summary>
    public bool Allowed => Egress.Allowed && Ingress.Allowed;
}

/// <summary>Answers "may this reach that, and why".</summary>
public sealed class Explainer(PolicyEvaluator evaluator, PolicyOptions options)
{
    /// <summary>Finds what a user means by <c>namespace/name</c>, an address, or <c>node</c>.</summary>
    /// <param name="reference">The text.</param>
    /// <param name="opposite">What the other end is called: <c>node</c> is this node or, where nothing is known of it, that end's own.</param>
    /// <param name="party">What it means; null when it means nothing here.</param>
    /// <param name="problem">One line: why it means nothing; null when it does.</param>
    public bool TryFind(string reference, string opposite, out Party? party, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(reference);
        (party, problem) = Find(reference, opposite);
        return party is not null;
    }

    /// <summary>Judges a connection in every family both ends have.</summary>
    /// <returns>Null when they have none in common.</returns>
    public Explanation? Explain(Party from, Party to, Probe probe)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        var judged = from source in @from.Addresses
                     from destination in to.Addresses
                     where source.Family == destination.Family
                     let verdicts = evaluator.Judge(source, destination, probe)
                     select new Explanation(source.Family, verdicts.Egress, verdicts.Ingress);
        var all = judged.ToList();
        return all.Find(explanation => !explanation.Allowed) ?? all.FirstOrDefault();
    }

    private (Party? Party, string? Problem) Find(string reference, string opposite)
    {
        if (IpAddress.TryParse(reference, out var address))
        {
            return (new Party(reference, [address]), null);
        }

        if (reference == "node")
        {
            var addresses = Matrix.FirstOfEach([.. AddressesOfNode(options.NodeName), .. options.NodeAddresses]);
            addresses = addresses.IsEmpty ? Matrix.FirstOfEach(AddressesOfNode(FindWorkload(opposite)?.NodeName)) : addresses;
            return addresses.IsEmpty
                ? (null, $"node {options.NodeName} has no address; give a Node object with one, or set node.addresses")
                : (new Party(reference, addresses), null);
        }

        if (!reference.Contains('/', StringComparison.Ordinal))
        {
            return (null, $"'{reference}' is not namespace/name, an address or 'node'");
        }

        return FindWorkload(reference) is { } workload ? Find(workload) : (null, $"there is no pod {reference}; check namespace and name");
    }

    private Workload? FindWorkload(string reference) =>
        evaluator.World.Workloads.FirstOrDefault(workload => $"{workload.Key.NamespacedName}" == reference)
        ?? (IpAddress.TryParse(reference, out var address) ? evaluator.OwnerOf(address) : null);

    private EquatableArray<IpAddress> AddressesOfNode(string? name) => name is null ? [] : evaluator.World.FindNode(name)?.Addresses ?? [];

    private (Party? Party, string? Problem) Find(Workload workload)
    {
        var name = $"{workload.Key.NamespacedName}";
        var isNodes = workload is { HostNetwork: true, Finished: false };
        var addresses = Matrix.FirstOfEach(isNodes ? [.. workload.Addresses, .. AddressesOfNode(workload.NodeName)] : evaluator.AddressesOf(workload));
        return addresses.IsEmpty
            ? (null, $"pod {name} has no address: it is finished, has none yet, or a younger pod has taken it over")
            : (new Party(name, addresses), null);
    }
}
