using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Portcullis.Resources;

/// <summary>Labels of an object: immutable, sorted by key (ordinal), compared by value, stored in one array.</summary>
public sealed class LabelSet : IEquatable<LabelSet>, IReadOnlyCollection<KeyValuePair<string, string>>
{
    /// <summary>No labels.</summary>
    public static readonly LabelSet Empty = new([]);

    private readonly KeyValuePair<string, string>[] _sorted;
    private readonly int _hash;

    private LabelSet(KeyValuePair<string, string>[] sorted)
    {
        _sorted = sorted;
        var hash = default(HashCode);
        foreach (var (key, value) in sorted)
        {
            hash.Add(key);
            hash.Add(value);
        }

        _hash = hash.ToHashCode();
    }

    /// <inheritdoc/>
    public int Count => _sorted.Length;

    /// <summary>Takes the pairs; of two with the same key the last one counts.</summary>
    public static LabelSet From(IEnumerable<KeyValuePair<string, string>> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        var sorted = new SortedList<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in labels)
        {
            sorted[key] = value;
        }

        return sorted.Count == 0 ? Empty : new LabelSet([.. sorted]);
    }

    /// <summary>Labels from pairs, for code and tests: <c>LabelSet.Of(("app", "web"))</c>.</summary>
    public static LabelSet Of(params ReadOnlySpan<(string Key, string Value)> labels)
    {
        var pairs = new List<KeyValuePair<string, string>>(labels.Length);
        foreach (var (key, value) in labels)
        {
            pairs.Add(new(key, value));
        }

        return From(pairs);
    }

    /// <summary>Finds the value of a label.</summary>
    public bool TryGetValue(string key, [NotNullWhen(true)] out string? value)
    {
        var low = 0;
        var high = _sorted.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            var order = string.CompareOrdinal(_sorted[middle].Key, key);
            if (order == 0)
            {
                value = _sorted[middle].Value;
                return true;
            }

            if (order < 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        value = null;
        return false;
    }

    /// <summary>These labels with one added or replaced.</summary>
    public LabelSet With(string key, string value) => From([.. _sorted, new(key, value)]);

    /// <summary>The labels in order of their keys.</summary>
    public ReadOnlySpan<KeyValuePair<string, string>> AsSpan() => _sorted;

    /// <inheritdoc/>
    public bool Equals(LabelSet? other) =>
        other is not null
        && (ReferenceEquals(this, other) || (_hash == other._hash && _sorted.AsSpan().SequenceEqual(other._sorted)));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LabelSet);

    /// <inheritdoc/>
    public override int GetHashCode() => _hash;

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() =>
        ((IEnumerable<KeyValuePair<string, string>>)_sorted).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _sorted.GetEnumerator();

    /// <summary><c>app=web,tier=front</c>.</summary>
    public override string ToString() => string.Join(',', _sorted.Select(label => $"{label.Key}={label.Value}"));
}
