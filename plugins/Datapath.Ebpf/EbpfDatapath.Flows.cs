using System.Runtime.CompilerServices;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Ebpf;

/// <content>Verdict events.</content>
internal sealed partial class EbpfDatapath
{
    /// <inheritdoc/>
    public async IAsyncEnumerable<FlowEvent> WatchFlowsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.FromException(new FeatureNotSupportedException("flow events", "the eBPF datapath does not report them"));
        yield break;
    }
}
