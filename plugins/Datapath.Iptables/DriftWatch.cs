using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Iptables;

/// <summary>Looks now and then whether somebody else changed the instance's chains or sets, and puts them right.</summary>
internal sealed partial class DriftWatch : IAsyncDisposable
{
    // What somebody else removes stays open for so long at most where the kernel sends no notifications.
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    // Time for the kernel to let go of what a change removed, and for changes that follow each other.
    private static readonly TimeSpan AfterChange = TimeSpan.FromMilliseconds(500);

    private readonly KernelThread _kernel;
    private readonly Ruleset _ruleset;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly CancellationTokenSource _stopped = new();
    private long _repairs;
    private int _isChecking;

    /// <summary>Starts looking.</summary>
    public DriftWatch(KernelThread kernel, Ruleset ruleset, TimeProvider time, ILogger logger)
    {
        _kernel = kernel;
        _ruleset = ruleset;
        _logger = logger;
        _timer = time.CreateTimer(_ => Check(), null, Period, Period);
    }

    /// <summary>How often something was put right.</summary>
    public long Repairs => Interlocked.Read(ref _repairs);

    /// <summary>The rules were changed by this process: looks soon, to know them as the kernel lists them.</summary>
    public void Changed() => _timer.Change(AfterChange, Period);

    /// <summary>Stops looking.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _timer.DisposeAsync();
    }

    private async void Check()
    {
        // A check that takes longer than the period is not overtaken by the next.
        if (Interlocked.Exchange(ref _isChecking, 1) == 1)
        {
            return;
        }

        try
        {
            await _kernel.RunAsync(CheckKernel, _stopped.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            // Stopped.
        }
        catch (Exception exception) when (exception is DatapathException or FeatureNotSupportedException)
        {
            LogFailed(exception.Message);
        }
        finally
        {
            Volatile.Write(ref _isChecking, 0);
        }
    }

    private bool CheckKernel()
    {
        if (_ruleset.Current is not { } installed)
        {
            return false;
        }

        if (_ruleset.FindDrift(installed) is { } difference)
        {
            LogDrift(difference);
            _ruleset.Rebuild(installed);
            Interlocked.Increment(ref _repairs);
        }

        return _ruleset.CollectGarbage();
    }

    [LoggerMessage(4020, LogLevel.Warning, "Something else changed {Difference}; everything is put back as it was")]
    private partial void LogDrift(string difference);

    [LoggerMessage(4021, LogLevel.Warning, "Looking for changes by others failed, and is tried again: {Problem}")]
    private partial void LogFailed(string problem);
}
