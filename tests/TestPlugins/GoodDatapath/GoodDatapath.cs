using System.Runtime.CompilerServices;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.TestPlugins;

/// <summary>Enforces in a file.</summary>
internal sealed class GoodDatapath(GoodDatapathOptions options, DatapathSettings settings) : IDatapath
{
    public string Name => "good";

    public ValueTask<DatapathSupport> ProbeAsync(CancellationToken cancellationToken) => ValueTask.FromResult(
        options.Defect is not null ? throw new InvalidOperationException(options.Defect)
        : options.Lacks is null ? new DatapathSupport(true, "everything is there") : new DatapathSupport(false, $"{options.Lacks} is missing: install it"));

    public async ValueTask<ApplyResult> ApplyAsync(ChangeSet changes, CancellationToken cancellationToken)
    {
        if (options.Refuse is not null)
        {
            throw new DatapathException(options.Refuse);
        }

        if (options.State is not null)
        {
            var endpoints = string.Join(' ', changes.Endpoints.Select(endpoint => endpoint.Workload.ToString()));
            await File.AppendAllTextAsync(options.State, $"{settings.Instance} {changes.Revision} {endpoints}\n", cancellationToken);
        }

        return ApplyResult.Complete;
    }

    public ValueTask<IReadOnlyList<string>> CleanupAsync(bool allInstances, CancellationToken cancellationToken)
    {
        if (options.State is null || !File.Exists(options.State))
        {
            return ValueTask.FromResult<IReadOnlyList<string>>([]);
        }

        File.Delete(options.State);
        return ValueTask.FromResult<IReadOnlyList<string>>([$"file {options.State}"]);
    }

    public DatapathStatus GetStatus() => new()
    {
        Packets = [new PacketCounter(Direction.Ingress, FlowVerdict.Deny, "policy", 3, 180)],
        Policies = [new PolicyCounter("NetworkPolicy", new NamespacedName("default", "web"), FlowVerdict.Deny, 3)],
        Tables = [new TableUsage("classes", 7, 100)],
    };

    public async IAsyncEnumerable<FlowEvent> WatchFlowsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return new FlowEvent(
            DateTimeOffset.UnixEpoch,
            new NamespacedName("default", "hello"),
            Direction.Ingress,
            FlowVerdict.Deny,
            "policy",
            IpAddress.Parse("198.51.100.7"),
            40000,
            IpAddress.Parse("192.0.2.1"),
            80,
            (byte)IpProtocol.Tcp,
            new RuleReference(RuleOrigin.NetworkPolicy, new NamespacedName("default", "web"), Rule: null));
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
