using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>Pods as peers: of a selection, perhaps only those serving a port under a name, perhaps only their addresses in some block.</summary>
internal sealed class PodPeers(PodInventory inventory, Selection selection, EquatableArray<IpPrefix>? within, NamedPort? port)
{
    public Selection Selection { get; } = selection;

    /// <summary>Every address that is not hidden, as a prefix; each once.</summary>
    public ImmutableArray<IpPrefix> Prefixes(ImmutableHashSet<IpAddress> hidden)
    {
        var pods = inventory.PodsOf(Selection);
        var prefixes = ImmutableArray.CreateBuilder<IpPrefix>(pods.Count);
        foreach (var pod in pods)
        {
            if (port is { } wanted && !pod.Workload.Ports.AsSpan().Contains(wanted))
            {
                continue;
            }

            foreach (var address in inventory.Addresses.OwnedBy(pod))
            {
                if (IsWithin(address) && !hidden.Contains(address))
                {
                    prefixes.Add(IpPrefix.Host(address));
                }
            }
        }

        return prefixes.DrainToImmutable();
    }

    public override string ToString() => Selection.Key + (port is { } served ? $" serving {served.Name} at {served.Port}" : "");

    /// <summary>Whether the address belongs to one of the pods.</summary>
    public bool Contains(IpAddress address) =>
        inventory.Addresses.OwnerOf(address) is { } owner
        && owner.Matches.Contains(Selection)
        && (port is not { } wanted || owner.Workload.Ports.AsSpan().Contains(wanted))
        && IsWithin(address);

    /// <summary>Whether the address lies in the block, if there is one.</summary>
    public bool IsWithin(IpAddress address)
    {
        if (within is not { } prefixes)
        {
            return true;
        }

        foreach (var prefix in prefixes)
        {
            if (prefix.Contains(address))
            {
                return true;
            }
        }

        return false;
    }
}
