namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>
/// Finds the chain for a packet's interface in a number of steps that does not grow with the number of interfaces: a tree
/// of chains by the letters of the name, so that a change rewrites one small chain.
/// </summary>
/// <param name="option"><c>-i</c> or <c>-o</c>.</param>
/// <param name="names">Where chain names come from.</param>
/// <param name="kind">The letter of the tree's chains.</param>
internal sealed class InterfaceTree(string option, Names names, char kind)
{
    /// <summary>Up to so many names are compared one after another.</summary>
    private const int LeafSize = 4;

    // nf_tables follows at most 15 chains from a hook. Below so many levels, names are compared one after another.
    private const int MaxDepth = 3;

    // The root's own prefix, which all names share, changes with them.
    private const string RootKey = "";

    private readonly Dictionary<string, Chain> _nodes = [];

    /// <summary>The chain to enter the tree by. A packet of no known interface returns from it.</summary>
    public string Root { get; } = names.Next(kind);

    /// <summary>The chains.</summary>
    public IEnumerable<Chain> Chains => _nodes.Values;

    /// <summary>Brings the tree to these interfaces.</summary>
    /// <param name="targets">The chain of each interface.</param>
    /// <param name="changes">Where to put what differs from before, for each family.</param>
    public void Update(IReadOnlyDictionary<string, string> targets, IReadOnlyList<ChainChanges> changes)
    {
        var before = new Dictionary<string, Chain>(_nodes);
        _nodes.Clear();
        var sorted = targets.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToList();
        Add(sorted.Count == 0 ? string.Empty : CommonPrefix(sorted), new Node(Root, RootKey, Depth: 0), sorted, before);
        foreach (var (prefix, chain) in _nodes)
        {
            if (!before.Remove(prefix, out var old))
            {
                Each(changes, to => to.Add(chain));
            }
            else if (old != chain)
            {
                Each(changes, to => to.Change(chain));
            }
        }

        foreach (var chain in before.Values)
        {
            Each(changes, to => to.Remove(chain.Name));
        }
    }

    private void Add(string prefix, Node node, List<KeyValuePair<string, string>> targets, Dictionary<string, Chain> before)
    {
        var rules = new List<string>();
        var groups = targets.Count <= LeafSize || node.Depth == MaxDepth
            ? targets.Select(pair => new List<KeyValuePair<string, string>> { pair })
            : targets.GroupBy(pair => pair.Key.Length > prefix.Length ? pair.Key[prefix.Length] : '\0').Select(group => group.ToList());
        foreach (var group in groups)
        {
            if (group is [var (key, target)])
            {
                rules.Add($"{option} {key} -g {target}");
                continue;
            }

            var common = CommonPrefix(group);
            var child = new Node(before.TryGetValue(common, out var known) ? known.Name : names.Next(kind), common, node.Depth + 1);
            rules.Add($"{option} {common}+ -g {child.Chain}");
            Add(common, child, group, before);
        }

        _nodes.Add(node.Key, new Chain(node.Chain, [.. rules]));
    }

    private static void Each(IReadOnlyList<ChainChanges> changes, Action<ChainChanges> action)
    {
        foreach (var to in changes)
        {
            action(to);
        }
    }

    // Sorted: what the first and the last share, all share. A whole name that is the beginning of the others is compared there.
    private static string CommonPrefix(List<KeyValuePair<string, string>> sorted)
    {
        var (first, last) = (sorted[0].Key, sorted[^1].Key);
        return first[..first.AsSpan().CommonPrefixLength(last)];
    }

    /// <param name="Chain">The chain.</param>
    /// <param name="Key">What it is known by: the prefix of the names below it.</param>
    /// <param name="Depth">The number of chains above it.</param>
    private sealed record Node(string Chain, string Key, int Depth);
}
