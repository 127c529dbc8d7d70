using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>Finds the objects that carry a label.</summary>
/// <typeparam name="T">The objects; identity counts.</typeparam>
internal sealed class LabelIndex<T>
    where T : class
{
    private readonly Dictionary<(string Key, string Value), HashSet<T>> _byLabel = [];

    /// <summary>The number of different labels.</summary>
    public int Count => _byLabel.Count;

    /// <summary>Follows a change of an object's labels; empty labels stand for an object that is new or gone.</summary>
    public void Change(T item, LabelSet from, LabelSet to)
    {
        foreach (var (key, value) in from.AsSpan())
        {
            if (!(to.TryGetValue(key, out var kept) && kept == value)
                && _byLabel.TryGetValue((key, value), out var items)
                && items.Remove(item)
                && items.Count == 0)
            {
                _byLabel.Remove((key, value));
            }
        }

        foreach (var (key, value) in to.AsSpan())
        {
            if (!(from.TryGetValue(key, out var kept) && kept == value))
            {
                if (!_byLabel.TryGetValue((key, value), out var items))
                {
                    _byLabel.Add((key, value), items = []);
                }

                items.Add(item);
            }
        }
    }

    /// <summary>Appends every object that can match the selector and says so; false when the index cannot narrow it down.</summary>
    public bool TryFindCandidates(LabelSelector selector, List<T> result)
    {
        if (RequiredLabel.Of(selector) is not { Values: { } values } required)
        {
            return false;
        }

        foreach (var value in values.Distinct())
        {
            if (_byLabel.TryGetValue((required.Key, value), out var items))
            {
                result.AddRange(items);
            }
        }

        return true;
    }
}
