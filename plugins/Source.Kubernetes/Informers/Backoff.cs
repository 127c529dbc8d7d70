namespace Portcullis.Sources.Kubernetes.Informers;

/// <summary>How long to wait before trying again: twice as long each time, with jitter so that the nodes of a cluster do not come all at once.</summary>
internal sealed class Backoff
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);

    /// <summary>No longer, so that a server that is back is noticed soon; also for refusals, because a server that starts refuses what it will allow.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private int _failures;

    /// <summary>The next wait, between half the limit and the limit once that is reached.</summary>
    public TimeSpan Next()
    {
        var full = Math.Min(Limit.TotalMilliseconds, First.TotalMilliseconds * Math.Pow(2, Math.Min(_failures, 20)));
        _failures++;
        return TimeSpan.FromMilliseconds(full * (0.5 + (Random.Shared.NextDouble() / 2)));
    }

    public void Reset() => _failures = 0;
}
