namespace Portcullis.Policy.Manifests;

/// <summary>Collects the entries of a mapping and sorts out keys that are given twice.</summary>
internal sealed class MappingBuilder(int line, int column)
{
    private readonly List<ManifestMember> _members = [];
    private readonly List<ManifestMember> _duplicates = [];
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);
    private readonly HashSet<string> _merged = new(StringComparer.Ordinal);

    public void Add(ManifestMember member)
    {
        if (!_written.Add(member.Key))
        {
            _duplicates.Add(member);
            return;
        }

        if (_merged.Remove(member.Key))
        {
            _members.RemoveAll(existing => string.Equals(existing.Key, member.Key, StringComparison.Ordinal));
        }

        _members.Add(member);
    }

    /// <summary>Adds what a YAML merge key brings; written keys win over it.</summary>
    /// <remarks>A written key before the merge counts as given twice: readers of YAML disagree about which one wins.</remarks>
    public void Merge(ManifestNode source, int keyLine, int keyColumn)
    {
        foreach (var member in source.Members)
        {
            var merged = member with { Line = keyLine, Column = keyColumn };
            if (_written.Contains(member.Key))
            {
                _duplicates.Add(merged);
            }
            else if (_merged.Add(member.Key))
            {
                _members.Add(merged);
            }
        }

        _duplicates.AddRange(source.Duplicates);
    }

    public ManifestNode Build() => ManifestNode.Mapping(_members, _duplicates, line, column);
}
