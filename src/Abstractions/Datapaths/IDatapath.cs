using Portcullis.Rules;

namespace Portcullis.Datapaths;

/// <summary>What judges packets: lowers compiled rules into the kernel.</summary>
/// <remarks>
/// <para>A packet is judged by the whole old or the whole new rules of its endpoint, never by a mixture.</para>
/// <para>
/// One caller at a time for <see cref="ApplyAsync"/> and <see cref="CleanupAsync"/>; <see cref="GetStatus"/> and
/// <see cref="WatchFlowsAsync"/> may run beside them from any thread. Disposing stops watching the kernel but leaves
/// enforcement in place.
/// </para>
/// </remarks>
public interface IDatapath : IAsyncDisposable
{
    /// <summary>The name configuration chooses it by (<c>datapath.plugin</c>): lower case, letters and digits.</summary>
    string Name { get; }

    /// <summary>Finds out whether this machine can run it, changing nothing that outlives the call.</summary>
    ValueTask<DatapathSupport> ProbeAsync(CancellationToken cancellationToken);

    /// <summary>Gets to know the flows under way, so that their replies pass once this datapath judges them. May take about a second.</summary>
    /// <remarks>
    /// Called before the first <see cref="ApplyAsync"/> when another datapath enforces and goes on until this one does too. Packets
    /// are not judged yet. What it puts into the kernel goes with <see cref="CleanupAsync"/>.
    /// </remarks>
    /// <exception cref="DatapathException">The kernel refused.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    ValueTask LearnFlowsAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Brings the kernel to the change set's revision and returns once it is enforced there.</summary>
    /// <remarks>
    /// The first call has <see cref="ChangeSet.Replace"/> set; state that an earlier process left is taken over then,
    /// without a moment in which a packet is judged by neither the old nor the new rules. Endpoints that cannot be
    /// enforced as asked (a full table, a vanished interface) are closed as far as they can be and reported; the rest
    /// is enforced all the same.
    /// </remarks>
    /// <returns>What could not be enforced as asked.</returns>
    /// <exception cref="DatapathException">
    /// Nothing of this change set may be assumed enforced; the state before it stays in force. The caller retries with
    /// the whole world (<see cref="ChangeSet.Replace"/>).
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled before anything was changed.</exception>
    ValueTask<ApplyResult> ApplyAsync(ChangeSet changes, CancellationToken cancellationToken);

    /// <summary>Removes everything this instance, or every instance, put into the kernel. Idempotent.</summary>
    /// <param name="allInstances">Whether to remove what other instances put there too.</param>
    /// <param name="cancellationToken">Stops between two removals.</param>
    /// <returns>What was removed, one line each.</returns>
    /// <exception cref="DatapathException">Something could not be removed; the rest was.</exception>
    ValueTask<IReadOnlyList<string>> CleanupAsync(bool allInstances, CancellationToken cancellationToken);

    /// <summary>Reads counters and table sizes. Cheap enough for every scrape.</summary>
    DatapathStatus GetStatus();

    /// <summary>Yields verdict events from now on until cancelled. A reader that is slow loses events, which are counted.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    IAsyncEnumerable<FlowEvent> WatchFlowsAsync(CancellationToken cancellationToken);
}
