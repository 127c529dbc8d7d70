using System.Text;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>One step from what is in force to the next.</summary>
/// <remarks>
/// In this order: new sets are filled, the chains switch in one transaction of each family, then sets in force change and
/// what nothing refers to any more goes. If the switch fails nothing in force was touched.
/// </remarks>
internal sealed class Plan
{
    /// <summary>Lines for <c>ipset restore</c> that only make and fill what is new.</summary>
    public StringBuilder SetsBefore { get; } = new();

    /// <summary>Lines for <c>ipset restore</c> that add to sets in force.</summary>
    public StringBuilder SetsAdded { get; } = new();

    /// <summary>Lines for <c>ipset restore</c> that remove from sets in force.</summary>
    public StringBuilder SetsRemoved { get; } = new();

    /// <summary>Sets that nothing refers to any more.</summary>
    public List<string> Garbage { get; } = [];

    /// <summary>Chains of table mangle by family.</summary>
    public IReadOnlyDictionary<IpFamily, ChainChanges> Mangle { get; } =
        new Dictionary<IpFamily, ChainChanges> { [IpFamily.IPv4] = new(), [IpFamily.IPv6] = new() };

    /// <summary>Chains of table raw by family.</summary>
    public IReadOnlyDictionary<IpFamily, ChainChanges> Raw { get; } =
        new Dictionary<IpFamily, ChainChanges> { [IpFamily.IPv4] = new(), [IpFamily.IPv6] = new() };

    /// <summary>Whether there are no chains to write or remove.</summary>
    public bool HasNoChains => Mangle.Values.Concat(Raw.Values).All(changes => changes.IsEmpty);

    /// <summary>What cannot be enforced as asked.</summary>
    public List<Finding> Problems { get; } = [];
}
