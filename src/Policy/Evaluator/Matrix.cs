using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Evaluator;

/// <summary>One cell of a matrix.</summary>
/// <param name="From">The sender.</param>
/// <param name="To">The receiver.</param>
/// <param name="Probe">Protocol and port.</param>
/// <param name="Family">The IP version, in which the first address of each is used.</param>
/// <param name="Allowed">Whether both directions allow it.</param>
public readonly record struct MatrixCell(NamespacedName From, NamespacedName To, Probe Probe, IpFamily Family, bool Allowed);

/// <summary>Who reaches whom.</summary>
public static class Matrix
{
    /// <summary>
    /// Every ordered pair of workloads with an address in a common family, each with itself too, and every probe. Workloads on the
    /// host's network, finished ones and those without an address have no part in it.
    /// </summary>
    public static ImmutableArray<MatrixCell> Build(PolicyEvaluator evaluator, IReadOnlyList<Probe> probes)
    {
        ArgumentNullException.ThrowIfNull(evaluator);
        ArgumentNullException.ThrowIfNull(probes);
        var parties = evaluator.World.Workloads.Select(workload => (workload.Key.NamespacedName, First: FirstOfEach(evaluator.AddressesOf(workload)))).ToList();
        var cells = from sender in parties
                    from receiver in parties
                    from source in sender.First
                    from destination in receiver.First
                    where source.Family == destination.Family
                    from probe in probes
                    select new MatrixCell(
                        sender.NamespacedName, receiver.NamespacedName, probe, source.Family, IsAllowed(evaluator, source, destination, probe));
        return [.. cells];
    }

    /// <summary>The first address of each family, IPv4 before IPv6.</summary>
    internal static ImmutableArray<IpAddress> FirstOfEach(IEnumerable<IpAddress> addresses) =>
        [.. addresses.DistinctBy(address => address.Family).OrderBy(address => address.Family)];

    private static bool IsAllowed(PolicyEvaluator evaluator, IpAddress source, IpAddress destination, Probe probe)
    {
        var (egress, ingress) = evaluator.Judge(source, destination, probe);
        return egress.Allowed && ingress.Allowed;
    }
}
