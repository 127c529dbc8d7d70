using System.Collections.Immutable;
using Portcullis.Resources;

namespace Portcullis.Sources;

/// <summary>Where workloads and policies come from. Knows nothing of datapaths.</summary>
public interface IPolicySource
{
    /// <summary>The name configuration chooses it by (<c>source.plugin</c>): lower case, letters and digits.</summary>
    string Name { get; }

    /// <summary>Yields the present state and then every change, until cancelled.</summary>
    /// <remarks>
    /// Called once, enumerated by one reader. Batches are in order of observation; each is applied as a whole. The source
    /// never ends by itself: it retries what fails, with backoff, and reports it in <see cref="SourceBatch.Problems"/>.
    /// Exactly one batch has <see cref="SourceBatch.Synced"/> set: the one after which the initial state is complete.
    /// A reader that is slow slows the source down; sources coalesce rather than queue without bound.
    /// </remarks>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    IAsyncEnumerable<SourceBatch> WatchAsync(CancellationToken cancellationToken);
}
