using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>Finds the selectors that can match some labels, by one label each of them requires.</summary>
/// <typeparam name="T">What stands for a selector; identity counts.</typeparam>
internal sealed class SelectorIndex<T>
    where T : class
{
    // Most namespaces have a handful of selectors, for which tables cost more than looking at each.
    private const int ListLimit = 8;

    private readonly List<(LabelSelector Selector, T Item)> _small = [];
    private Dictionary<(string Key, string Value), List<T>>? _byLabel;
    private Dictionary<string, List<T>>? _byKey;
    private List<T>? _always;

    /// <summary>The number of selectors.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a selector.</summary>
    public void Add(LabelSelector selector, T item)
    {
        Count++;
        if (_byLabel is not null)
        {
            File(selector, item, add: true);
            return;
        }

        _small.Add((selector, item));
        if (_small.Count > ListLimit)
        {
            _byLabel = [];
            _byKey = [];
            _always = [];
            foreach (var (otherSelector, other) in _small)
            {
                File(otherSelector, other, add: true);
            }

            _small.Clear();
        }
    }

    /// <summary>Removes a selector that was added.</summary>
    public void Remove(LabelSelector selector, T item)
    {
        Count--;
        if (_byLabel is not null)
        {
            File(selector, item, add: false);
        }
        else
        {
            _small.RemoveAt(_small.FindIndex(entry => ReferenceEquals(entry.Item, item)));
        }
    }

    /// <summary>Appends everything whose selector can match; each item once. The caller still matches.</summary>
    public void FindCandidates(LabelSet labels, List<T> result)
    {
        if (_byLabel is null)
        {
            foreach (var (_, item) in _small)
            {
                result.Add(item);
            }

            return;
        }

        result.AddRange(_always!);
        foreach (var (key, value) in labels.AsSpan())
        {
            if (_byLabel.TryGetValue((key, value), out var items))
            {
                result.AddRange(items);
            }

            if (_byKey!.TryGetValue(key, out items))
            {
                result.AddRange(items);
            }
        }
    }

    private void File(LabelSelector selector, T item, bool add)
    {
        switch (RequiredLabel.Of(selector))
        {
            case { Values: { } values } required:
                foreach (var value in values.Distinct())
                {
                    Put(_byLabel!, (required.Key, value), item, add);
                }

                break;
            case { } required:
                Put(_byKey!, required.Key, item, add);
                break;
            case null when add:
                _always!.Add(item);
                break;
            default:
                _always!.Remove(item);
                break;
        }
    }

    private static void Put<TKey>(Dictionary<TKey, List<T>> table, TKey key, T item, bool add)
        where TKey : notnull
    {
        if (!table.TryGetValue(key, out var items))
        {
            table.Add(key, items = []);
        }

        if (add)
        {
            items.Add(item);
        }
        else if (items.Remove(item) && items.Count == 0)
        {
            table.Remove(key);
        }
    }
}
