using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>What a port name stands for among some pods: one peer set for every number any of them serves under it.</summary>
internal sealed class NamedPortGroup(NamedPortPeers key, Selection selection)
{
    private readonly SortedDictionary<(IpProtocol Protocol, ushort Port), Number> _numbers = [];

    public NamedPortPeers Key { get; } = key;

    public Selection Selection { get; } = selection;

    /// <summary>Addresses that do not count in any of its peer sets.</summary>
    public required ImmutableHashSet<IpAddress> Hidden { get; set; }

    /// <summary>Whether it waits for its users to be rebuilt.</summary>
    public bool IsChanged { get; set; }

    /// <summary>Rule sets that spell the numbers out.</summary>
    public HashSet<RuleSetEntry> Users { get; } = [];

    /// <summary>The numbers some pod serves, in order, with the pods that do.</summary>
    public IEnumerable<(PortRange Port, PodPeerSet Peers)> Numbers =>
        _numbers.Where(entry => entry.Value.Count > 0)
            .Select(entry => (new PortRange(entry.Key.Protocol, entry.Key.Port, entry.Key.Port), entry.Value.Peers));

    /// <summary>Every peer set, those without a pod included.</summary>
    public IEnumerable<PodPeerSet> PeerSets => _numbers.Values.Select(number => number.Peers);

    /// <summary>The ports of a pod that the name stands for, each once.</summary>
    public IEnumerable<NamedPort> Matching(Workload workload) => workload.Ports.Where(IsMeant).Distinct();

    /// <summary>The peer set of a number that some pod serves.</summary>
    public PodPeerSet Find(NamedPort port) => _numbers[(port.Protocol, port.Port)].Peers;

    /// <summary>Counts a pod that serves a number; true when it is the first.</summary>
    public bool Join(NamedPort port, Func<NamedPort, PodPeerSet> create)
    {
        if (!_numbers.TryGetValue((port.Protocol, port.Port), out var number))
        {
            _numbers.Add((port.Protocol, port.Port), number = new Number(create(port)));
        }

        return ++number.Count == 1;
    }

    /// <summary>Discounts a pod; true when it was the last to serve the number.</summary>
    public bool Part(NamedPort port) => --_numbers[(port.Protocol, port.Port)].Count == 0;

    /// <summary>Forgets the numbers nobody serves any more and returns their peer sets.</summary>
    public List<PodPeerSet> RemoveUnserved()
    {
        var unserved = _numbers.Where(entry => entry.Value.Count == 0).ToList();
        foreach (var entry in unserved)
        {
            _numbers.Remove(entry.Key);
        }

        return unserved.ConvertAll(entry => entry.Value.Peers);
    }

    private bool IsMeant(NamedPort port) =>
        port.Name == Key.Name && (Key.Protocol is not { } protocol || protocol == port.Protocol);

    private sealed class Number(PodPeerSet peers)
    {
        public PodPeerSet Peers { get; } = peers;

        public int Count { get; set; }
    }
}
