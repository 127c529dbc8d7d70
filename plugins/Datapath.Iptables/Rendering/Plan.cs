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
    private readonly Dictionary<(string Table, IpFamily Family), ChainChanges> _chains = [];

    /// <summary>Lines for <c>ipset restore</c> that only make and fill what is new.</summary>
    public StringBuilder SetsBefore { get; } = new();

    /// <summary>Lines for <c>ipset restore</c> that add to sets in force.</summary>
    public StringBuilder SetsAdded { get; } = new();

    /// <summary>Lines for <c>ipset restore</c> that remove from sets in force.</summary>
    public StringBuilder SetsRemoved { get; } = new();

    /// <summary>Sets that nothing refers to any more.</summary>
    public List<string> Garbage { get; } = [];

    /// <summary>Whether there are no chains to write or remove.</summary>
    public bool HasNoChains => _chains.Values.All(changes => changes.IsEmpty);

    /// <summary>The chains of a table.</summary>
    public ChainChanges Of(string table, IpFamily family)
    {
        if (!_chains.TryGetValue((table, family), out var changes))
        {
            _chains.Add((table, family), changes = new ChainChanges());
        }

        return changes;
    }

    /// <summary>What cannot be enforced as asked.</summary>
    public List<Finding> Problems { get; } = [];
}
