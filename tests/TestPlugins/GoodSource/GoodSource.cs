using System.Runtime.CompilerServices;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Sources;

namespace Portcullis.TestPlugins;

/// <summary>One workload, named after the greeting, and then silence.</summary>
internal sealed class GoodSource(Greeting greeting, TimeProvider time) : IPolicySource
{
    public string Name => "good";

    public async IAsyncEnumerable<SourceBatch> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return new SourceBatch
        {
            Changes = [ResourceChange.Upsert(new Workload { Namespace = "default", Name = greeting.Text, Addresses = [IpAddress.Parse("192.0.2.1")] })],
            Accepted = 1,
            Synced = true,
            ObservedAt = time.GetTimestamp(),
        };
        await Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken);
    }
}
