using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>The nodes and their addresses, this one's as the machine has them included.</summary>
internal sealed class NodeBook(string? ownName)
{
    // Stands for this node when it has no name.
    private const string Nameless = "";

    private readonly Dictionary<string, Node> _nodes = [];
    private readonly Dictionary<string, ImmutableHashSet<IpAddress>> _addresses = [];
    private EquatableArray<IpAddress> _ownAddresses = [];

    /// <summary>Every Node object.</summary>
    public IReadOnlyCollection<Node> Nodes => _nodes.Values;

    /// <summary>The name of the node a workload runs on.</summary>
    public string NodeOf(Workload workload) => workload.NodeName ?? ownName ?? Nameless;

    /// <summary>Every address of a node; no address when it is not known.</summary>
    public ImmutableHashSet<IpAddress> AddressesOf(string name)
    {
        if (!_addresses.TryGetValue(name, out var addresses))
        {
            var stated = _nodes.TryGetValue(name, out var node) ? node.Addresses : [];
            addresses = name == (ownName ?? Nameless) ? [.. stated, .. _ownAddresses] : [.. stated];
            _addresses.Add(name, addresses);
        }

        return addresses;
    }

    /// <summary>Takes a node in its new state; null when it is gone.</summary>
    public void Set(string name, Node? node)
    {
        _addresses.Clear();
        if (node is null)
        {
            _nodes.Remove(name);
        }
        else
        {
            _nodes[name] = node;
        }
    }

    /// <summary>Takes the addresses the machine has; false when they are the same as before.</summary>
    public bool SetOwnAddresses(EquatableArray<IpAddress> addresses)
    {
        if (addresses == _ownAddresses)
        {
            return false;
        }

        _addresses.Clear();
        _ownAddresses = addresses;
        return true;
    }
}
