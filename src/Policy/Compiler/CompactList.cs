namespace Portcullis.Policy.Compiler;

/// <summary>A list without an object of its own, in no lasting order: there are hundreds of thousands, most of one or two items.</summary>
/// <remarks>A mutable struct: to be kept in a field.</remarks>
internal struct CompactList<T>
    where T : class
{
    private T[]? _items;

    public int Count { get; private set; }

    public readonly T this[int index] => _items![index];

    public readonly ReadOnlySpan<T> AsSpan() => _items.AsSpan(0, Count);

    public readonly ReadOnlySpan<T>.Enumerator GetEnumerator() => AsSpan().GetEnumerator();

    public readonly bool Contains(T item) => IndexOf(item) >= 0;

    public void Add(T item)
    {
        if (Count == (_items?.Length ?? 0))
        {
            Array.Resize(ref _items, Math.Max(1, Count * 2));
        }

        _items![Count++] = item;
    }

    /// <summary>Removes an item; false when it is not there.</summary>
    public bool Remove(T item)
    {
        var index = IndexOf(item);
        if (index < 0)
        {
            return false;
        }

        RemoveAt(index);
        return true;
    }

    /// <summary>Removes the item at an index, which goes to the last one.</summary>
    public void RemoveAt(int index)
    {
        _items![index] = _items[--Count];
        _items[Count] = null!;
        if (Count == 0)
        {
            _items = null;
        }
    }

    private readonly int IndexOf(T item)
    {
        for (var i = 0; i < Count; i++)
        {
            if (ReferenceEquals(_items![i], item))
            {
                return i;
            }
        }

        return -1;
    }
}
