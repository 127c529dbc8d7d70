namespace Portcullis.Policy.Manifests;

/// <summary>How many values may still be read from a file: bounds memory and time whatever the file holds.</summary>
internal sealed class NodeBudget
{
    private int _left = ManifestLimits.Nodes;

    /// <summary>Takes one value.</summary>
    /// <exception cref="ManifestSyntaxException">None is left.</exception>
    public void Take(int line, int column)
    {
        if (--_left < 0)
        {
            throw new ManifestSyntaxException(line, column, $"the file has more than {ManifestLimits.Nodes} values; split it");
        }
    }

    /// <summary>Whether something is left.</summary>
    public bool IsSpent => _left < 0;
}
