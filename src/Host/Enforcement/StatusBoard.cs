namespace Portcullis.Host.Enforcement;

/// <summary>Where the loop publishes its status and others read it or wait for it. Thread-safe.</summary>
internal sealed class StatusBoard(AgentStatus initial)
{
    private readonly Lock _lock = new();
    private AgentStatus _current = initial;
    private TaskCompletionSource _changed = NewSignal();

    /// <summary>The newest status.</summary>
    public AgentStatus Current => Volatile.Read(ref _current);

    /// <summary>Replaces the status and wakes those who wait.</summary>
    public void Publish(AgentStatus status)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            changed = _changed;
            _changed = NewSignal();
            Volatile.Write(ref _current, status);
        }

        changed.SetResult();
    }

    /// <summary>Waits until a condition holds.</summary>
    /// <returns>The status it holds for.</returns>
    public async Task<AgentStatus> WaitAsync(Func<AgentStatus, bool> condition, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            AgentStatus status;
            lock (_lock)
            {
                changed = _changed.Task;
                status = _current;
            }

            if (condition(status))
            {
                return status;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
