using Portcullis.Net;

namespace Portcullis.Policy.Compiler;

/// <summary>Exact arithmetic on sets of addresses given as prefixes. Results are sorted, disjoint and as few as possible.</summary>
internal static class PrefixMath
{
    /// <summary>The whole address space of both families.</summary>
    public static readonly EquatableArray<IpPrefix> Everything =
        [new IpPrefix(IpAddress.V4(0), 0), new IpPrefix(IpAddress.V6(0), 0)];

    /// <summary>What of <paramref name="block"/> lies in none of the holes.</summary>
    public static List<IpPrefix> Subtract(IpPrefix block, IReadOnlyCollection<IpPrefix> holes)
    {
        var result = new List<IpPrefix>();
        Subtract(block, [.. holes], result);
        return result;
    }

    /// <summary>The addresses that lie in any of the prefixes.</summary>
    public static EquatableArray<IpPrefix> Union(IEnumerable<IpPrefix> prefixes)
    {
        var result = new List<IpPrefix>();
        foreach (var prefix in prefixes.Order())
        {
            if (result.Count > 0 && result[^1].Contains(prefix))
            {
                continue;
            }

            result.Add(prefix);
            while (result.Count > 1 && TryMerge(result[^2], result[^1], out var merged))
            {
                result.RemoveAt(result.Count - 1);
                result[^1] = merged;
            }
        }

        return result.ToEquatableArray();
    }

    private static void Subtract(IpPrefix block, List<IpPrefix> holes, List<IpPrefix> result)
    {
        var inside = holes.FindAll(block.Contains);
        if (holes.Exists(hole => hole.Contains(block)))
        {
            return;
        }

        if (inside.Count == 0)
        {
            result.Add(block);
            return;
        }

        var low = new IpPrefix(block.Address, block.Length + 1);
        Subtract(low, inside, result);
        Subtract(Sibling(low), inside, result);
    }

    private static IpPrefix Sibling(IpPrefix prefix) =>
        new(prefix.Address with { Bits = prefix.Address.Bits ^ (UInt128.One << (prefix.Address.Width - prefix.Length)) }, prefix.Length);

    private static bool TryMerge(IpPrefix low, IpPrefix high, out IpPrefix merged)
    {
        merged = default;
        if (low.Family != high.Family || low.Length != high.Length || low.Length == 0 || Sibling(low) != high)
        {
            return false;
        }

        merged = new IpPrefix(low.Address, low.Length - 1);
        return true;
    }
}
