using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Iptables;

/// <summary>Reads counters for those who ask, at most once a second.</summary>
internal sealed partial class StatusReader(KernelThread kernel, Ruleset ruleset, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(1);

    // A long apply is not waited for: the figures from before it serve as well.
    private static readonly TimeSpan WaitAtMost = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private DatapathStatus _last = new();
    private long? _readAt;
    private Task<DatapathStatus>? _reading;

    /// <summary>The figures, at most a second old unless the kernel is being written.</summary>
    public DatapathStatus Read()
    {
        Task<DatapathStatus> reading;
        lock (_lock)
        {
            if (_readAt is { } at && time.GetElapsedTime(at) < FreshFor)
            {
                return _last;
            }

            reading = _reading ??= ReadKernelAsync();
        }

        try
        {
            if (!reading.Wait(WaitAtMost))
            {
                return _last;
            }
        }
        catch (AggregateException exception)
        {
            LogUnreadable(exception.InnerException!.Message);
        }

        lock (_lock)
        {
            if (_reading == reading)
            {
                _reading = null;
                _readAt = time.GetTimestamp();
                _last = reading.IsCompletedSuccessfully ? reading.GetAwaiter().GetResult() : _last;
            }

            return _last;
        }
    }

    private async Task<DatapathStatus> ReadKernelAsync()
    {
        var (save, sets, earlier) = await kernel.RunAsync(
            () => (ruleset.StartSave(), ruleset.Current?.Layout.SetCount ?? 0, ruleset.EarlierCounts.ToDictionary()), CancellationToken.None);
        if (save is null)
        {
            return new DatapathStatus();
        }

        var counts = Counters.Of(await Task.Run(save.Wait), ruleset.Names);
        Counters.Add(counts, earlier);
        return new DatapathStatus
        {
            Packets = Counters.ToPackets(counts),
            Tables = [new TableUsage("sets", sets, Ruleset.MaxSets)],
        };
    }

    [LoggerMessage(4010, LogLevel.Warning, "The packet counters cannot be read: {Problem}")]
    private partial void LogUnreadable(string problem);
}
