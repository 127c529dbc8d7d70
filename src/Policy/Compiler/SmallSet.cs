namespace Portcullis.Policy.Compiler;

/// <summary>A set that costs little while it has few items, and nothing to leave when it has many.</summary>
/// <remarks>A mutable struct: to be kept in a field or changed by reference. The caller adds no item twice.</remarks>
internal struct SmallSet<T>
    where T : class
{
    private const int ListLimit = 8;

    private CompactList<T> _few;
    private HashSet<T>? _many;

    public readonly int Count => _many?.Count ?? _few.Count;

    public void Add(T item)
    {
        if (_many is null && _few.Count == ListLimit)
        {
            _many = [.. _few.AsSpan()];
            _few = default;
        }

        if (_many is null)
        {
            _few.Add(item);
        }
        else
        {
            _many.Add(item);
        }
    }

    public void Remove(T item)
    {
        if (_many is null)
        {
            _few.Remove(item);
        }
        else
        {
            _many.Remove(item);
        }
    }

    /// <summary>Appends every item.</summary>
    public readonly void CopyTo(List<T> result)
    {
        if (_many is null)
        {
            result.AddRange(_few.AsSpan());
        }
        else
        {
            result.AddRange(_many);
        }
    }
}
