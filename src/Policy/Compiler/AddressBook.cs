using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Portcullis.Net;

namespace Portcullis.Policy.Compiler;

/// <summary>Which workload owns an address: of the live ones that claim it, the youngest.</summary>
internal sealed class AddressBook
{
    private readonly Dictionary<IpAddress, PodState> _owners = [];

    // Only addresses with more than one claimant.
    private readonly Dictionary<IpAddress, List<PodState>> _contested = [];

    /// <summary>The number of addresses that have an owner.</summary>
    public int Count => _owners.Count;

    /// <summary>Addresses that several live workloads claim.</summary>
    public IReadOnlyDictionary<IpAddress, List<PodState>> Contested => _contested;

    /// <summary>The owner of an address, or null.</summary>
    public PodState? OwnerOf(IpAddress address) => _owners.GetValueOrDefault(address);

    /// <summary>The addresses of a workload that it owns, in its own order.</summary>
    public OwnedAddresses OwnedBy(PodState pod) => new(this, pod);

    /// <summary>The same addresses as an array: the workload's own where it owns them all.</summary>
    public EquatableArray<IpAddress> AllOwnedBy(PodState pod)
    {
        var stated = pod.Workload.Addresses;
        var count = 0;
        foreach (var _ in OwnedBy(pod))
        {
            count++;
        }

        if (count == stated.Count)
        {
            return stated;
        }

        var owned = ImmutableArray.CreateBuilder<IpAddress>(count);
        foreach (var address in OwnedBy(pod))
        {
            owned.Add(address);
        }

        return new EquatableArray<IpAddress>(owned.MoveToImmutable());
    }

    /// <summary>Adds a claim; tells the owner before, which is the owner still unless it is not the one after.</summary>
    public (PodState? Before, PodState After) Claim(IpAddress address, PodState pod)
    {
        ref var owner = ref CollectionsMarshal.GetValueRefOrAddDefault(_owners, address, out _);
        if (owner is null)
        {
            owner = pod;
            pod.Owned++;
            return (null, pod);
        }

        if (!_contested.TryGetValue(address, out var claimants))
        {
            _contested.Add(address, claimants = [owner]);
        }

        claimants.Add(pod);
        var before = owner;
        owner = Youngest(claimants);
        before.Owned--;
        owner.Owned++;
        return (before, owner);
    }

    /// <summary>Withdraws a claim; tells the owner before and the one after.</summary>
    public (PodState Before, PodState? After) Withdraw(IpAddress address, PodState pod)
    {
        var before = _owners[address];
        if (!_contested.TryGetValue(address, out var claimants))
        {
            _owners.Remove(address);
            before.Owned--;
            return (before, null);
        }

        claimants.Remove(pod);
        var after = Youngest(claimants);
        _owners[address] = after;
        if (claimants.Count == 1)
        {
            _contested.Remove(address);
        }

        before.Owned--;
        after.Owned++;
        return (before, after);
    }

    private static PodState Youngest(List<PodState> claimants)
    {
        var youngest = claimants[0];
        foreach (var claimant in claimants)
        {
            if (IsYounger(claimant, youngest))
            {
                youngest = claimant;
            }
        }

        return youngest;
    }

    // Without creation times, and with equal ones, the name decides, so that the order of arrival does not.
    private static bool IsYounger(PodState left, PodState right)
    {
        var byTime = Nullable.Compare(left.Workload.CreatedAt, right.Workload.CreatedAt);
        return byTime != 0 ? byTime > 0 : left.Workload.Key.NamespacedName.CompareTo(right.Workload.Key.NamespacedName) > 0;
    }
}

/// <summary>Enumerates the addresses a workload owns, without allocating.</summary>
internal struct OwnedAddresses(AddressBook book, PodState pod)
{
    private readonly ImmutableArray<IpAddress> _stated = pod.Workload.Addresses.Items;

    // Claims are distinct, so this rules out repeated addresses too; asking the book costs a miss of the caches for each.
    private readonly bool _ownsAll = pod.Owned == pod.Workload.Addresses.Count;
    private int _next;

    public readonly IpAddress Current => _stated[_next - 1];

    public readonly OwnedAddresses GetEnumerator() => this;

    public bool MoveNext()
    {
        while (_next < _stated.Length)
        {
            var address = _stated[_next++];
            if (_ownsAll || (book.OwnerOf(address) == pod && (_next == 1 || _stated.IndexOf(address) == _next - 1)))
            {
                return true;
            }
        }

        return false;
    }
}
