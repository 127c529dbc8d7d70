using System.Globalization;

namespace Portcullis.TestSupport;

/// <summary>
/// Targets in seconds and shares of a processor. They are promises for a machine that does nothing else; a shared one misses them for no
/// fault of the code. So a figure is always printed beside its target, and fails a test only with <c>PORTCULLIS_TARGETS=1</c>.
/// </summary>
public static class Target
{
    private static readonly bool Enforced = Environment.GetEnvironmentVariable("PORTCULLIS_TARGETS") == "1";

    /// <summary>Prints a figure and its target; fails when targets count and it is above.</summary>
    /// <param name="name">What was measured.</param>
    /// <param name="actual">The figure.</param>
    /// <param name="most">The target, in the same unit.</param>
    /// <param name="unit">The unit.</param>
    /// <param name="write">Where the line goes.</param>
    /// <exception cref="InvalidOperationException">The target is missed, and targets count.</exception>
    public static void AtMost(string name, double actual, double most, string unit, Action<string> write)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{name}: {actual:F2} {unit}, target {most:F2}: {(actual <= most ? "reached" : "MISSED")}");
        write(text);
        if (Enforced && actual > most)
        {
            throw new InvalidOperationException(text);
        }
    }
}
