using System.Collections.Immutable;
using Portcullis.Host.Links;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Host.Enforcement;

/// <summary>
/// Finds the interfaces of endpoints and keeps what the datapath was told about them. Closes what nobody known may use:
/// interfaces that two endpoints claim and, in strict mode, pod interfaces that none does.
/// </summary>
/// <remarks>Not thread-safe. After a failed apply the next resolution must be of a change set that replaces.</remarks>
internal sealed class EndpointResolver(IReadOnlyList<string> closedPrefixes)
{
    private readonly Dictionary<NamespacedName, Endpoint> _compiled = [];
    private Dictionary<NamespacedName, Endpoint> _told = [];
    private LinkTable? _table;

    /// <summary>The endpoints as the datapath was told last, closed interfaces included.</summary>
    public IReadOnlyDictionary<NamespacedName, Endpoint> Endpoints => _told;

    /// <summary>The number of endpoints that are workloads.</summary>
    public int WorkloadCount => _compiled.Count;

    /// <summary>What is wrong with the interfaces, as of the last resolution.</summary>
    public ImmutableArray<Finding> Problems { get; private set; } = [];

    /// <summary>Fills in the interfaces, and adds what changes because interfaces did.</summary>
    public ChangeSet Resolve(ChangeSet changes, LinkTable table)
    {
        var isNewWorld = Take(changes);
        if (!isNewWorld && ReferenceEquals(table, _table))
        {
            return changes;
        }

        _table = table;
        var wanted = Want(table);
        var before = changes.Replace ? [] : _told;
        var changed = wanted.Values.Where(endpoint => !before.TryGetValue(endpoint.Workload, out var known) || known != endpoint);
        var removed = before.Keys.Where(name => !wanted.ContainsKey(name));

        // Where unknown interfaces are closed the rules for it are always there: closing one then changes nothing but endpoints.
        var usesClosed = closedPrefixes.Count > 0 || UseClosed(wanted);
        var usedClosed = closedPrefixes.Count > 0 ? !changes.Replace : UseClosed(before);
        _told = wanted;
        return changes with
        {
            Endpoints = [.. changed],
            RemovedEndpoints = [.. removed],
            RuleSets = usesClosed && !usedClosed ? changes.RuleSets.AddRange(ClosedInterface.RuleSets) : changes.RuleSets,
            RemovedRuleSets = usedClosed && !usesClosed
                ? changes.RemovedRuleSets.AddRange(ClosedInterface.RuleSets.Select(rules => rules.Id))
                : changes.RemovedRuleSets,
        };
    }

    private static bool UseClosed(Dictionary<NamespacedName, Endpoint> endpoints) =>
        endpoints.Values.Any(endpoint => endpoint.Ingress == ClosedInterface.Ingress.Id);

    private bool Take(ChangeSet changes)
    {
        if (changes.Replace)
        {
            _compiled.Clear();
        }

        foreach (var name in changes.RemovedEndpoints)
        {
            _compiled.Remove(name);
        }

        foreach (var endpoint in changes.Endpoints)
        {
            _compiled[endpoint.Workload] = endpoint;
        }

        return changes.Replace || !changes.Endpoints.IsEmpty || !changes.RemovedEndpoints.IsEmpty;
    }

    private Dictionary<NamespacedName, Endpoint> Want(LinkTable table)
    {
        var wanted = new Dictionary<NamespacedName, Endpoint>(_compiled.Count);
        var claims = new Dictionary<int, NamespacedName>();
        var problems = ImmutableArray.CreateBuilder<Finding>();
        foreach (var (name, endpoint) in _compiled)
        {
            var link = FindLink(endpoint, table);
            wanted[name] = endpoint with { Link = link, AwaitedInterfaces = link is null ? AwaitedBy(endpoint) : [] };
            foreach (var further in FurtherInterfaces(endpoint, table))
            {
                wanted[further.Workload] = further;
            }
        }

        problems.AddRange(wanted.Values
            .Where(endpoint => endpoint is { Link: null } and not { Ingress: null, Egress: null } && !IsStarting(endpoint))
            .OrderBy(endpoint => endpoint.Workload)
            .Select(Unenforced));

        foreach (var endpoint in wanted.Values.Where(endpoint => endpoint.Link is not null).OrderBy(endpoint => endpoint.Workload).ToList())
        {
            var link = endpoint.Link!.Value;
            if (claims.TryAdd(link.Index, endpoint.Workload))
            {
                continue;
            }

            wanted[claims[link.Index]] = wanted[claims[link.Index]] with { Ingress = ClosedInterface.Ingress.Id, Egress = ClosedInterface.Egress.Id };
            wanted[endpoint.Workload] = endpoint with { Link = null, AwaitedInterfaces = [] };
            problems.Add(new Finding(
                FindingSeverity.Error,
                default,
                $"interface {link.Name}",
                $"is claimed by workloads {claims[link.Index]} and {endpoint.Workload} and closed: give each an interface of its own"));
        }

        foreach (var link in table.Links.Values.Where(link => IsUnknownPodInterface(link, claims)))
        {
            var endpoint = ClosedInterface.EndpointOf(link.ToLink());
            wanted[endpoint.Workload] = endpoint;
        }

        Problems = problems.DrainToImmutable();
        return wanted;
    }

    /// <summary>Scheduled here, but the network plugin has not got to it yet.</summary>
    private static bool IsStarting(Endpoint endpoint) => endpoint is { InterfaceName: null, Addresses.IsEmpty: true };

    // Where neither source nor naming tells, the interface is found by a route, once there is one.
    private static EquatableArray<string> AwaitedBy(Endpoint endpoint) =>
        endpoint.InterfaceName is { } name ? [name]
        : IsStarting(endpoint) && endpoint.Side == InterfaceSide.Peer ? [.. VpcInterfaceNames.NamesOf(endpoint.Workload)]
        : [];

    /// <summary>A pod on several networks has more interfaces by the same rule of naming; their addresses are not in its status.</summary>
    private static IEnumerable<Endpoint> FurtherInterfaces(Endpoint endpoint, LinkTable table)
    {
        if (endpoint is not { InterfaceName: null, Side: InterfaceSide.Peer })
        {
            yield break;
        }

        for (var index = 1; VpcInterfaceNames.Find(endpoint.Workload, index, table) is { } link; index++)
        {
            // No Kubernetes name holds a colon.
            yield return endpoint with { Workload = endpoint.Workload with { Name = $"{endpoint.Workload.Name}:{index}" }, Addresses = [], Link = link };
        }
    }

    private static Finding Unenforced(Endpoint endpoint) => new(
        FindingSeverity.Warning,
        default,
        $"workload {endpoint.Workload}",
        endpoint.InterfaceName is { } name
            ? $"its policies are not enforced: there is no interface {name}"
            : $"its policies are not enforced: no route to {string.Join(" or ", endpoint.Addresses)} leads to an interface of its own; name it with annotation portcullis.dev/interface, or spec.interface of a Workload");

    private bool IsUnknownPodInterface(LinkState link, Dictionary<int, NamespacedName> claims) =>
        !link.IsLoopback
        && !claims.ContainsKey(link.Index)
        && closedPrefixes.Any(prefix => link.Name.StartsWith(prefix, StringComparison.Ordinal));

    private Link? FindLink(Endpoint endpoint, LinkTable table)
    {
        if (endpoint.InterfaceName is { } name)
        {
            return table.Find(name);
        }

        if (endpoint.Side == InterfaceSide.Peer && VpcInterfaceNames.Find(endpoint.Workload, 0, table) is { } named)
        {
            return named;
        }

        foreach (var address in endpoint.Addresses)
        {
            var link = endpoint.Side == InterfaceSide.Self ? FindOwner(address, table) : table.FindByRouteTo(address, _told.GetValueOrDefault(endpoint.Workload)?.Link);
            if (link is not null)
            {
                return link;
            }
        }

        return null;
    }

    private static Link? FindOwner(Net.IpAddress address, LinkTable table)
    {
        foreach (var (owned, index) in table.Addresses)
        {
            if (owned == address && table.Links.TryGetValue(index, out var link) && !link.IsLoopback)
            {
                return link.ToLink();
            }
        }

        return null;
    }
}
