using System.Text.RegularExpressions;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>
/// The names of an instance's chains and sets. Every name is used once: what is new is built beside what is in force and
/// takes over whole. 28 characters are the most a chain can have.
/// </summary>
internal sealed partial class Names(string instance)
{
    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";

    private long _last;

    /// <summary>What all names of this instance start with.</summary>
    public string Prefix { get; } = $"pcl.{instance}.";

    /// <summary>A name that never changes, of up to five letters.</summary>
    public string Fixed(string name) => Prefix + name;

    /// <summary>A new name.</summary>
    /// <param name="kind">What it is for: a digit-free letter that people can read.</param>
    public string Next(char kind)
    {
        Span<char> number = stackalloc char[13];
        var start = number.Length;
        for (var rest = ++_last; rest > 0; rest /= Digits.Length)
        {
            number[--start] = Digits[(int)(rest % Digits.Length)];
        }

        // The dash keeps them apart from the fixed names.
        return $"{Prefix}{kind}-{number[start..]}";
    }

    /// <summary>Never gives out a name that an earlier process left in the kernel.</summary>
    public void StepPast(IEnumerable<string> names)
    {
        foreach (var name in names.Where(name => IsOwn(name) && name.IndexOf('-', Prefix.Length) == Prefix.Length + 1))
        {
            var serial = name.AsSpan(Prefix.Length + 2);
            var end = serial.IndexOf('.');
            long number = 0;
            foreach (var digit in end < 0 ? serial : serial[..end])
            {
                number = Math.Min((number * Digits.Length) + Math.Max(Digits.IndexOf(digit, StringComparison.Ordinal), 0), int.MaxValue);
            }

            _last = Math.Max(_last, number);
        }
    }

    /// <summary>Whether a chain or set is of this instance.</summary>
    public bool IsOwn(string name) => name.StartsWith(Prefix, StringComparison.Ordinal) && name.Length > Prefix.Length;

    /// <summary>Whether a chain or set is of any instance.</summary>
    public static bool IsAnyInstance(string name) => AnyInstance().IsMatch(name);

    [GeneratedRegex(@"^pcl\.[a-z0-9-]{1,15}\.[a-z0-9.-]+$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AnyInstance();
}
