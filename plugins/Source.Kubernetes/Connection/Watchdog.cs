namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>Ends a read when nothing comes for too long.</summary>
internal sealed class Watchdog : IDisposable
{
    private readonly CancellationTokenSource _silence;
    private readonly CancellationTokenSource _either;
    private readonly CancellationToken _caller;
    private readonly TimeSpan _limit;

    public Watchdog(TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        _limit = limit;
        _caller = cancellationToken;
        _silence = new CancellationTokenSource(limit, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_silence.Token, cancellationToken);
    }

    /// <summary>Cancelled by the caller's token, or by silence.</summary>
    public CancellationToken Token => _either.Token;

    /// <summary>Whether silence ended it.</summary>
    public bool IsSilent => _silence.IsCancellationRequested && !_caller.IsCancellationRequested;

    /// <summary>Something came.</summary>
    public void Reset() => _silence.CancelAfter(_limit);

    public void Dispose()
    {
        _either.Dispose();
        _silence.Dispose();
    }
}
