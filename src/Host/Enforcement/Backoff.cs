namespace Portcullis.Host.Enforcement;

/// <summary>Waiting times between attempts: doubling from 100 ms to 30 s, each shortened at random by up to half.</summary>
internal sealed class Backoff
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    private int _attempts;

    /// <summary>How long to wait before the next attempt.</summary>
    public TimeSpan Next()
    {
        var full = Math.Min(Longest.Ticks, First.Ticks << Math.Min(_attempts, 20));
        _attempts++;
        return TimeSpan.FromTicks((full / 2) + Random.Shared.NextInt64(full / 2));
    }

    /// <summary>Forgets the attempts: one has succeeded.</summary>
    public void Reset() => _attempts = 0;
}
