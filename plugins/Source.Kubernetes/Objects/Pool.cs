namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>Gives equal values one instance: the pods of a cluster have few different labels, nodes and ports.</summary>
internal sealed class Pool<T>(int capacity)
    where T : notnull
{
    private readonly HashSet<T> _values = [];

    public T Share(T value)
    {
        if (_values.TryGetValue(value, out var known))
        {
            return known;
        }

        if (_values.Count == capacity)
        {
            // Whatever is still in use lives on where it is used.
            _values.Clear();
        }

        _values.Add(value);
        return value;
    }
}
