using System.Collections.Immutable;
using Portcullis.Net;

namespace Portcullis.Host.Links;

/// <summary>Applies what the kernel announces to a <see cref="LinkTable"/>. Announcing the same twice changes nothing.</summary>
internal sealed class LinkTableBuilder
{
    private LinkTable _table = LinkTable.Empty;

    /// <summary>Grows with every interface that goes: one that comes with an index used before is told from the one that had it.</summary>
    private int _incarnation;

    /// <summary>The state so far; the same instance as long as nothing changed.</summary>
    public LinkTable Table => _table;

    /// <summary>Forgets everything. What is announced from now on may be other interfaces than before.</summary>
    public void Clear()
    {
        _incarnation += _table.Links.IsEmpty ? 0 : 1;
        _table = LinkTable.Empty;
    }

    /// <summary>An interface exists and is like this.</summary>
    public void SetLink(LinkState link)
    {
        var known = _table.Links.TryGetValue(link.Index, out var old);
        link = link with { Incarnation = known ? old.Incarnation : _incarnation };
        if (known && old == link)
        {
            return;
        }

        _table = _table with
        {
            Links = _table.Links.SetItem(link.Index, link),
            Names = (known ? WithoutName(old) : _table.Names).SetItem(link.Name, link.Index),
        };
        if (known && old.IsUp && !link.IsUp)
        {
            // The kernel drops the IPv4 routes of an interface that goes down without announcing each of them.
            RemoveRoutesOf(link.Index, IpFamily.IPv4);
        }
    }

    /// <summary>An interface is gone, and with it its addresses and routes.</summary>
    public void RemoveLink(int index)
    {
        if (!_table.Links.TryGetValue(index, out var link))
        {
            return;
        }

        _incarnation++;
        _table = _table with
        {
            Links = _table.Links.Remove(index),
            Names = WithoutName(link),
            Addresses = _table.Addresses.Except(_table.Addresses.Where(entry => entry.Index == index)),
            Neighbours = _table.Neighbours.RemoveRange(_table.Neighbours.Keys.Where(key => key.Bridge == index)),
            Forwarding = _table.Forwarding.RemoveRange(_table.Forwarding.Where(entry => entry.Key.Bridge == index || entry.Value == index).Select(entry => entry.Key)),
        };
        RemoveRoutesOf(index, IpFamily.IPv4);
        RemoveRoutesOf(index, IpFamily.IPv6);
    }

    /// <summary>An interface has this address.</summary>
    public void AddAddress(IpAddress address, int index)
    {
        var addresses = _table.Addresses.Add((address, index));
        _table = addresses == _table.Addresses ? _table : _table with { Addresses = addresses };
    }

    /// <summary>An interface has this address no longer.</summary>
    public void RemoveAddress(IpAddress address, int index)
    {
        var addresses = _table.Addresses.Remove((address, index));
        _table = addresses == _table.Addresses ? _table : _table with { Addresses = addresses };
    }

    /// <summary>A neighbour on an interface has this Ethernet address, or none that is known; of interest on bridges only.</summary>
    public void SetNeighbour(int index, IpAddress address, ulong? ethernet)
    {
        var isOfBridge = _table.Links.TryGetValue(index, out var link) && link.IsBridge;
        var neighbours = isOfBridge && ethernet is { } known
            ? _table.Neighbours.SetItem((index, address), known)
            : _table.Neighbours.Remove((index, address));
        _table = neighbours == _table.Neighbours ? _table : _table with { Neighbours = neighbours };
    }

    /// <summary>A bridge has heard an Ethernet address on a port last, or, with port 0, has forgotten it. Of interest are ports for one workload.</summary>
    public void SetForwarding(int bridge, ulong ethernet, int port)
    {
        var forwarding = _table.Links.TryGetValue(port, out var link) && link.IsForOneWorkload
            ? _table.Forwarding.SetItem((bridge, ethernet), port)
            : _table.Forwarding.Remove((bridge, ethernet));
        _table = forwarding == _table.Forwarding ? _table : _table with { Forwarding = forwarding };
    }

    /// <summary>There is this route.</summary>
    /// <param name="prefix">Where to.</param>
    /// <param name="route">Which way.</param>
    public void AddRoute(IpPrefix prefix, Route route)
    {
        var routes = _table.Routes.GetValueOrDefault(prefix, []);
        if (!routes.Contains(route))
        {
            SetRoutes(prefix, routes.Add(route));
        }
    }

    /// <summary>A route is gone.</summary>
    public void RemoveRoute(IpPrefix prefix, Route route)
    {
        if (_table.Routes.TryGetValue(prefix, out var routes))
        {
            SetRoutes(prefix, routes.Remove(route));
        }
    }

    /// <summary>Every route to a prefix with this metric is gone: another takes their place.</summary>
    public void RemoveRoutes(IpPrefix prefix, uint metric)
    {
        if (_table.Routes.TryGetValue(prefix, out var routes))
        {
            SetRoutes(prefix, routes.RemoveAll(route => route.Metric == metric));
        }
    }

    /// <summary>Every route of a family is gone.</summary>
    public void RemoveRoutes(IpFamily family) =>
        _table = _table with { Routes = _table.Routes.RemoveRange(_table.Routes.Keys.Where(prefix => prefix.Family == family)) };

    private void RemoveRoutesOf(int index, IpFamily family)
    {
        foreach (var (prefix, routes) in _table.Routes)
        {
            if (prefix.Family == family)
            {
                SetRoutes(prefix, routes.RemoveAll(route => route.Index == index));
            }
        }
    }

    private void SetRoutes(IpPrefix prefix, ImmutableArray<Route> routes)
    {
        if (_table.Routes.TryGetValue(prefix, out var old) && old == routes)
        {
            return;
        }

        _table = routes.IsEmpty
            ? _table with { Routes = _table.Routes.Remove(prefix) }
            : WithLength(prefix) with { Routes = _table.Routes.SetItem(prefix, routes) };
    }

    private LinkTable WithLength(IpPrefix prefix)
    {
        // The empty prefix is the default route, which never leads to a workload.
        var bit = prefix.Length == 0 ? UInt128.Zero : UInt128.One << (prefix.Length - 1);
        return prefix.Family == IpFamily.IPv4
            ? _table with { Lengths4 = _table.Lengths4 | bit }
            : _table with { Lengths6 = _table.Lengths6 | bit };
    }

    // After a swap of two names the name may already belong to another interface.
    private ImmutableDictionary<string, int> WithoutName(LinkState link) =>
        _table.Names.GetValueOrDefault(link.Name) == link.Index ? _table.Names.Remove(link.Name) : _table.Names;
}
