namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>Chains to write and to remove in one transaction.</summary>
internal sealed class ChainChanges
{
    private readonly List<Chain> _written = [];
    private readonly List<string> _removed = [];

    /// <summary>Whether there is nothing to do.</summary>
    public bool IsEmpty => _written.Count == 0 && _removed.Count == 0;

    /// <summary>Chains that are new or get other rules.</summary>
    public IReadOnlyList<Chain> Written => _written;

    /// <summary>Chains that nothing refers to any more.</summary>
    public IReadOnlyList<string> Removed => _removed;

    /// <summary>The chain has exactly these rules afterwards.</summary>
    public void Write(Chain chain) => _written.Add(chain);

    /// <summary>The chain is gone afterwards.</summary>
    public void Remove(string name) => _removed.Add(name);
}
