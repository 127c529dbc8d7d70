using System.Runtime.InteropServices;

namespace Portcullis.Policy.Compiler;

/// <summary>What the compiler does to arrays by the hundred thousand, without enumerators.</summary>
internal static class EquatableArrays
{
    /// <summary>The results of a conversion of each element and its index, in order.</summary>
    public static EquatableArray<TResult> ConvertAll<T, TResult>(this EquatableArray<T> items, Func<T, int, TResult> convert)
    {
        if (items.IsEmpty)
        {
            return [];
        }

        var results = new TResult[items.Count];
        for (var i = 0; i < results.Length; i++)
        {
            results[i] = convert(items[i], i);
        }

        return new EquatableArray<TResult>(ImmutableCollectionsMarshal.AsImmutableArray(results));
    }

    /// <summary>Whether some element meets the condition.</summary>
    public static bool Exists<T>(this EquatableArray<T> items, Func<T, bool> condition)
    {
        foreach (var item in items)
        {
            if (condition(item))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Each element once, in order of its first place.</summary>
    public static EquatableArray<T> Distinct<T>(this EquatableArray<T> items) =>
        items.Count < 2 ? items : Enumerable.Distinct(items).ToEquatableArray();
}
