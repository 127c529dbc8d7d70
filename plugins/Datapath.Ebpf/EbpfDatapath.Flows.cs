using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf;

/// <content>Verdict events.</content>
internal sealed partial class EbpfDatapath
{
    private readonly FlowReader _flows = new();

    /// <inheritdoc/>
    public async IAsyncEnumerable<FlowEvent> WatchFlowsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var channel = _flows.Watch();
        try
        {
            await foreach (var happened in channel.Reader.ReadAllAsync(cancellationToken))
            {
                if (Describe(happened) is { } flow)
                {
                    yield return flow;
                }
            }
        }
        finally
        {
            _flows.Unwatch(channel);
        }
    }

    /// <summary>Null for an interface that belongs to nobody any more.</summary>
    private FlowEvent? Describe(in PcEvent happened)
    {
        lock (_lock)
        {
            if (!_plans.TryGetValue((int)happened.Ifindex, out var plan))
            {
                return null;
            }

            var reason = (PcReason)happened.Reason;
            return new FlowEvent(
                TimeOf(happened.Time),
                plan.Workload,
                (Direction)happened.Direction,
                Reasons.Verdict(reason),
                Reasons.Name(reason),
                Address(happened.Family, happened.Source),
                happened.SourcePort,
                Address(happened.Family, happened.Destination),
                happened.DestinationPort,
                happened.Protocol,
                reason is PcReason.Allowed or PcReason.Audit or PcReason.Denied or PcReason.Isolated ? _lowering?.RuleOf(happened.Rule) : null);
        }
    }

    // Both the kernel's event time and Stopwatch count CLOCK_MONOTONIC.
    private DateTimeOffset TimeOf(ulong nanoseconds)
    {
        var age = Stopwatch.GetElapsedTime((long)(nanoseconds / (1e9 / Stopwatch.Frequency)), Stopwatch.GetTimestamp());
        return _time.GetUtcNow() - age;
    }

    private static IpAddress Address(byte family, ReadOnlySpan<byte> bytes) =>
        family == 6 ? IpAddress.V6(BinaryPrimitives.ReadUInt128BigEndian(bytes)) : IpAddress.V4(BinaryPrimitives.ReadUInt32BigEndian(bytes));
}
