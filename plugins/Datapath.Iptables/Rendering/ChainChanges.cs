namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>Chains to write and to remove in one transaction.</summary>
internal sealed class ChainChanges
{
    private readonly Dictionary<string, Chain> _added = [];
    private readonly Dictionary<string, Chain> _changed = [];
    private readonly List<string> _removed = [];

    /// <summary>Whether there is nothing to do.</summary>
    public bool IsEmpty => _added.Count + _changed.Count + _removed.Count == 0;

    /// <summary>Chains that are new.</summary>
    public IReadOnlyCollection<Chain> Added => _added.Values;

    /// <summary>Chains that get other rules.</summary>
    public IReadOnlyCollection<Chain> Changed => _changed.Values;

    /// <summary>Chains that are new or get other rules.</summary>
    public IReadOnlyList<Chain> Written => [.. Added, .. Changed];

    /// <summary>Chains that nothing refers to any more.</summary>
    public IReadOnlyList<string> Removed => _removed;

    /// <summary>The chain is there afterwards.</summary>
    public void Add(Chain chain) => _added.Add(chain.Name, chain);

    /// <summary>The chain, which is there, has exactly these rules afterwards.</summary>
    public void Change(Chain chain) => _changed[chain.Name] = chain;

    /// <summary>The chain is gone afterwards.</summary>
    public void Remove(string name) => _removed.Add(name);

    /// <summary>Takes in what is still to do of later changes after <see cref="RestoreScript.Ahead"/> of them.</summary>
    public void AddLeftovers(ChainChanges later)
    {
        foreach (var chain in later.Changed)
        {
            Change(chain);
        }

        foreach (var name in later.Removed)
        {
            _changed.Remove(name);
            Remove(name);
        }
    }
}
