using System.Collections.Immutable;
using Portcullis.Datapaths;

namespace Portcullis.Host.Enforcement;

/// <summary>The datapaths that are not in use.</summary>
internal interface IOtherDatapaths
{
    /// <summary>Takes another datapath in place of one that could not enforce the first state.</summary>
    /// <param name="failed">The name of the one that failed.</param>
    /// <param name="reason">Why it did.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <returns>Null when configuration leaves no choice, or no other can run.</returns>
    Task<(IDatapath Datapath, DatapathChoice Choice)?> TakeInsteadOfAsync(string failed, string reason, CancellationToken cancellationToken);

    /// <summary>Removes what every datapath but one has in the kernel, for this instance.</summary>
    /// <param name="inForce">The one that enforces.</param>
    /// <returns>What could not be removed, and so still judges packets too.</returns>
    Task<ImmutableArray<Finding>> RemoveAllButAsync(string inForce);
}
