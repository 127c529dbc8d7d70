using System.Runtime.InteropServices;
using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>Finds the objects that carry a label.</summary>
/// <typeparam name="T">The objects; identity counts.</typeparam>
internal sealed class LabelIndex<T>
    where T : class
{
    private readonly Dictionary<(string Key, string Value), SmallSet<T>> _byLabel = [];

    /// <summary>The number of different labels.</summary>
    public int Count => _byLabel.Count;

    /// <summary>Follows a change of an object's labels; empty labels stand for an object that is new or gone.</summary>
    public void Change(T item, LabelSet from, LabelSet to)
    {
        foreach (var (key, value) in from.AsSpan())
        {
            if (to.TryGetValue(key, out var kept) && kept == value)
            {
                continue;
            }

            ref var items = ref CollectionsMarshal.GetValueRefOrNullRef(_byLabel, (key, value));
            items.Remove(item);
            if (items.Count == 0)
            {
                _byLabel.Remove((key, value));
            }
        }

        foreach (var (key, value) in to.AsSpan())
        {
            if (!(from.TryGetValue(key, out var kept) && kept == value))
            {
                CollectionsMarshal.GetValueRefOrAddDefault(_byLabel, (key, value), out _).Add(item);
            }
        }
    }

    /// <summary>How many objects can match the selector; null when the index cannot narrow it down.</summary>
    public int? CountCandidates(LabelSelector selector)
    {
        if (RequiredLabel.Of(selector) is not { Values: { } values } required)
        {
            return null;
        }

        var count = 0;
        foreach (var value in values)
        {
            count += _byLabel.TryGetValue((required.Key, value), out var items) ? items.Count : 0;
        }

        return count;
    }

    /// <summary>Appends every object that can match a selector that <see cref="CountCandidates"/> can count for, each once.</summary>
    public void FindCandidates(LabelSelector selector, List<T> result)
    {
        var required = RequiredLabel.Of(selector)!;
        foreach (var value in required.Values!.Value.Distinct())
        {
            if (_byLabel.TryGetValue((required.Key, value), out var items))
            {
                items.CopyTo(result);
            }
        }
    }
}
