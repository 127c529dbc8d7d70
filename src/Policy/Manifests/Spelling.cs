namespace Portcullis.Policy.Manifests;

/// <summary>Finds what somebody probably meant.</summary>
internal static class Spelling
{
    /// <summary>The candidate nearest to <paramref name="word"/>; null when none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> candidates)
    {
        if (word.Length is < 2 or > 64)
        {
            return null;
        }

        var limit = Math.Clamp(word.Length / 3, 1, 3);
        var lower = word.ToLowerInvariant();
        var best = candidates
            .Where(candidate => Math.Abs(candidate.Length - word.Length) <= limit)
            .Select(candidate => (candidate, distance: Distance(lower, candidate.ToLowerInvariant())))
            .Where(pair => pair.distance <= limit)
            .OrderBy(pair => pair.distance)
            .FirstOrDefault();
        return best.candidate;
    }

    /// <summary><c>; did you mean X?</c>, or nothing.</summary>
    public static string Hint(string word, IEnumerable<string> candidates) =>
        Nearest(word, candidates) is { } nearest ? $"; did you mean {nearest}?" : string.Empty;

    /// <summary>Insertions, deletions, replacements and swaps of neighbours from one word to the other.</summary>
    private static int Distance(string left, string right)
    {
        var distances = new int[left.Length + 1, right.Length + 1];
        for (var i = 0; i <= left.Length; i++)
        {
            for (var j = 0; j <= right.Length; j++)
            {
                distances[i, j] = (i, j) switch
                {
                    (0, _) => j,
                    (_, 0) => i,
                    _ => Math.Min(
                        Math.Min(distances[i - 1, j], distances[i, j - 1]) + 1,
                        distances[i - 1, j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1)),
                };
                if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                {
                    distances[i, j] = Math.Min(distances[i, j], distances[i - 2, j - 2] + 1);
                }
            }
        }

        return distances[left.Length, right.Length];
    }
}
