using System.Collections.Immutable;
using System.Numerics;
using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Host.Links;

/// <summary>An interface of this machine.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Index">Its index.</param>
/// <param name="Kind">The kernel's word for its type (<c>veth</c>, <c>bridge</c>); empty for hardware.</param>
/// <param name="IsLoopback">Whether it is the loopback interface.</param>
/// <param name="IsUp">Whether it is administratively up.</param>
/// <param name="Incarnation">As of <see cref="Link"/>.</param>
internal readonly record struct LinkState(string Name, int Index, string Kind, bool IsLoopback, bool IsUp, int Incarnation = 0)
{
    /// <summary>The index of the bridge (or bond, or VRF) it is a port of; 0: of none.</summary>
    public int Master { get; init; }

    /// <summary>Whether it is a bridge.</summary>
    public bool IsBridge => Kind == "bridge";

    /// <summary>Whether it is made for one workload, which is at its other end.</summary>
    public bool IsForOneWorkload => Kind is "veth" or "netkit" or "tun";

    /// <summary>It, as a datapath knows it.</summary>
    public Link ToLink() => new(Name, Index, Incarnation);
}

/// <summary>One way to a prefix.</summary>
/// <param name="Metric">Of two routes to one prefix the lower metric wins.</param>
/// <param name="Index">The interface it leaves by; 0 when there is none (unreachable, blackhole).</param>
/// <param name="IsDirect">Whether the destination is on that interface itself, not behind a gateway.</param>
internal readonly record struct Route(uint Metric, int Index, bool IsDirect);

/// <summary>The interfaces, addresses and main-table routes of a network namespace at one moment. Immutable.</summary>
internal sealed record LinkTable
{
    /// <summary>A machine without interfaces.</summary>
    public static readonly LinkTable Empty = new();

    /// <summary>The interfaces by index.</summary>
    public ImmutableDictionary<int, LinkState> Links { get; init; } = ImmutableDictionary<int, LinkState>.Empty;

    /// <summary>Indexes by name.</summary>
    public ImmutableDictionary<string, int> Names { get; init; } = ImmutableDictionary.Create<string, int>(StringComparer.Ordinal);

    /// <summary>The addresses of the interfaces; one may be on several.</summary>
    public ImmutableSortedSet<(IpAddress Address, int Index)> Addresses { get; init; } = [];

    /// <summary>The routes of the main table; never an empty array.</summary>
    public ImmutableDictionary<IpPrefix, ImmutableArray<Route>> Routes { get; init; } = ImmutableDictionary<IpPrefix, ImmutableArray<Route>>.Empty;

    /// <summary>The Ethernet addresses of neighbours on bridges.</summary>
    public ImmutableDictionary<(int Bridge, IpAddress Address), ulong> Neighbours { get; init; } = ImmutableDictionary<(int, IpAddress), ulong>.Empty;

    /// <summary>The port that a bridge last heard an Ethernet address on, among those that are made for one workload.</summary>
    public ImmutableDictionary<(int Bridge, ulong Ethernet), int> Forwarding { get; init; } = ImmutableDictionary<(int, ulong), int>.Empty;

    /// <summary>Bit n is set when there may be an IPv4 route of prefix length n + 1.</summary>
    internal UInt128 Lengths4 { get; init; }

    /// <summary>Bit n is set when there may be an IPv6 route of prefix length n + 1.</summary>
    internal UInt128 Lengths6 { get; init; }

    /// <summary>Every address of this machine's interfaces but loopback ones, in order, each once.</summary>
    public EquatableArray<IpAddress> OwnAddresses =>
        Addresses
            .Where(entry => !(Links.TryGetValue(entry.Index, out var link) && link.IsLoopback && IsLoopback(entry.Address)))
            .Select(entry => entry.Address)
            .Distinct()
            .ToEquatableArray();

    /// <summary>The interface with this name; null when there is none.</summary>
    public Link? Find(string name) => Names.TryGetValue(name, out var index) ? Links[index].ToLink() : null;

    /// <summary>The interface behind which a local workload with this address is; null when no route says so.</summary>
    /// <param name="address">The address.</param>
    /// <param name="known">Where it was found before; null: nowhere.</param>
    /// <remarks>
    /// Follows the longest prefix, as the kernel does. A host route names the workload's interface. A route to a whole subnet does
    /// so only on interfaces that are made for one workload: the machine's own network card has one too, and policing that one
    /// with a workload's rules would cut the machine off. Neither is it ever loopback or the way to the default gateway. On a bridge it is
    /// the port where the workload's Ethernet address was heard; null before it was heard at all. A bridge forgets who is silent, and anybody on it can
    /// claim an address: once found, the workload stays where it was found as long as that port is there.
    /// </remarks>
    public Link? FindByRouteTo(IpAddress address, Link? known = null)
    {
        var lengths = address.Family == IpFamily.IPv4 ? Lengths4 : Lengths6;
        while (lengths != 0)
        {
            var bit = 127 - (int)UInt128.LeadingZeroCount(lengths);
            lengths ^= UInt128.One << bit;
            if (Routes.TryGetValue(new IpPrefix(address, bit + 1), out var routes))
            {
                return ToWorkload(address, routes.MinBy(route => route.Metric), isHostRoute: bit + 1 == address.Width, known);
            }
        }

        return null;
    }

    private static bool IsLoopback(IpAddress address) =>
        address.Family == IpFamily.IPv4 ? (uint)address.Bits >> 24 == 127 : address.Bits == UInt128.One;

    private Link? ToWorkload(IpAddress address, Route route, bool isHostRoute, Link? known)
    {
        if (!route.IsDirect || !Links.TryGetValue(route.Index, out var link) || link.IsLoopback)
        {
            return null;
        }

        if (link.IsBridge)
        {
            return FindBehindBridge(link.Index, address, known);
        }

        return (isHostRoute || link.IsForOneWorkload) && !IsUplink(link.Index) ? link.ToLink() : null;
    }

    private Link? FindBehindBridge(int bridge, IpAddress address, Link? known)
    {
        if (known is { } port && IsPort(port.Index, bridge) && Links[port.Index].ToLink() == port)
        {
            return port;
        }

        return Neighbours.TryGetValue((bridge, address), out var ethernet)
            && Forwarding.TryGetValue((bridge, ethernet), out var index) && IsPort(index, bridge)
                ? Links[index].ToLink()
                : null;
    }

    private bool IsPort(int index, int bridge) => Links.TryGetValue(index, out var link) && link.Master == bridge;

    private bool IsUplink(int index) =>
        IsUplink(index, new IpPrefix(IpAddress.V4(0), 0)) || IsUplink(index, new IpPrefix(IpAddress.V6(UInt128.Zero), 0));

    private bool IsUplink(int index, IpPrefix anywhere) =>
        Routes.TryGetValue(anywhere, out var routes) && routes.Any(route => route.Index == index);
}
