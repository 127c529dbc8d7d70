namespace Portcullis.Host.Metrics;

/// <summary>What the agent measures of itself; everything else is read from its state when asked.</summary>
internal sealed class AgentMetrics
{
    /// <summary>How long the datapath takes to apply a change set.</summary>
    public Histogram ApplyDuration { get; } = new();

    /// <summary>From a change being noticed to it being in the kernel.</summary>
    public Histogram EnforcementLatency { get; } = new();

    /// <summary>How often applying failed.</summary>
    public long ApplyFailures => Interlocked.Read(ref _applyFailures);

    private long _applyFailures;

    /// <summary>Counts a failed apply.</summary>
    public void CountApplyFailure() => Interlocked.Increment(ref _applyFailures);
}
