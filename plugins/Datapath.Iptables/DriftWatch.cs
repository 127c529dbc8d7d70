using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Iptables.Native;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Iptables;

/// <summary>
/// Looks whether somebody else changed the instance's chains or sets, and puts them right: soon after nf_tables tells of a
/// change, and now and then, because ip_tables and sets tell of none.
/// </summary>
internal sealed partial class DriftWatch : IAsyncDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    // Changes come in groups; the kernel lets go of what a change removed a little later.
    private static readonly TimeSpan AfterChange = TimeSpan.FromMilliseconds(300);

    // In a large world a look takes seconds: so many times as long is without one.
    private const int Rest = 4;

    private readonly KernelThread _kernel;
    private readonly Ruleset _ruleset;
    private readonly ILogger _logger;
    private readonly ITimer _regular;
    private readonly ITimer _soon;
    private readonly CancellationTokenSource _stopped = new();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly TimeProvider _time;
    private TimeSpan _afterChange = AfterChange;
    private NfTablesEvents? _events;
    private long _repairs;
    private int _isSoon;

    /// <summary>Starts looking.</summary>
    public DriftWatch(KernelThread kernel, Ruleset ruleset, TimeProvider time, ILogger logger)
    {
        _kernel = kernel;
        _ruleset = ruleset;
        _logger = logger;
        _time = time;
        _regular = time.CreateTimer(
            _ =>
            {
                if (Interlocked.Exchange(ref _isSoon, 1) == 0)
                {
                    _ = CheckAsync();
                }
            },
            null,
            Period,
            Period);
        _soon = time.CreateTimer(_ => _ = CheckAsync(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How often something was put right.</summary>
    public long Repairs => Interlocked.Read(ref _repairs);

    /// <summary>Something was changed, by this process or another: looks soon. What changes often does not put it off.</summary>
    public void Changed()
    {
        if (Interlocked.Exchange(ref _isSoon, 1) == 0)
        {
            _soon.Change(_afterChange, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Listens for changes, where the backend tells of them. On the kernel thread only.</summary>
    public void Listen()
    {
        if (_events is null && _ruleset.Current?.Iptables.Backend == Backend.Nft)
        {
            _events = new NfTablesEvents(Changed, failure => LogDeaf(failure.Message));
        }
    }

    /// <summary>Stops looking. The kernel thread must still run.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _regular.DisposeAsync();
        await _soon.DisposeAsync();
        _events?.Dispose();
        _turn.Dispose();
    }

    /// <summary>Looks now, or when the look that is under way is done.</summary>
    public async Task CheckAsync()
    {
        try
        {
            await _turn.WaitAsync(_stopped.Token);
            try
            {
                Volatile.Write(ref _isSoon, 0);
                if (await _kernel.RunAsync(Look, _stopped.Token) is { } inspection)
                {
                    var started = _time.GetTimestamp();
                    await Task.Run(inspection.Read, _stopped.Token);
                    var rest = Rest * _time.GetElapsedTime(started);
                    _afterChange = rest > AfterChange ? rest : AfterChange;
                    if (await _kernel.RunAsync(() => Repair(inspection), _stopped.Token))
                    {
                        Changed();
                    }
                }
            }
            finally
            {
                _turn.Release();
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            // Stopped.
        }
        catch (Exception exception) when (exception is DatapathException or FeatureNotSupportedException)
        {
            LogFailed(exception.Message);
        }
    }

    private Inspection? Look()
    {
        if (_ruleset.Tidy() is { } inTheWay)
        {
            Repair(_ruleset.Current!, inTheWay);
        }

        return _ruleset.Inspect();
    }

    // Whether there is more to do soon.
    private bool Repair(Inspection inspection)
    {
        if (_ruleset.FindDrift(inspection) is { } difference)
        {
            Repair(inspection.Installed, difference);
        }

        return _ruleset.CollectGarbage();
    }

    private void Repair(Installed installed, string difference)
    {
        LogDrift(difference);
        _ruleset.Rebuild(installed);
        Interlocked.Increment(ref _repairs);
    }

    [LoggerMessage(4020, LogLevel.Warning, "Something else changed {Difference}; everything is put back as it was")]
    private partial void LogDrift(string difference);

    [LoggerMessage(4021, LogLevel.Warning, "Looking for changes by others failed, and is tried again: {Problem}")]
    private partial void LogFailed(string problem);

    [LoggerMessage(4022, LogLevel.Warning, "nf_tables tells of no changes any more, so others' are found a little later: {Problem}")]
    private partial void LogDeaf(string problem);
}
