using Microsoft.Extensions.Logging;

namespace Portcullis.Host.Enforcement;

/// <content>Log messages, events 1201 to 1299.</content>
internal sealed partial class EnforcementLoop
{
    [LoggerMessage(1201, LogLevel.Information, "Enforcing by {Datapath}: revision {Revision}, {Endpoints} endpoints")]
    private partial void LogEnforcing(string datapath, long revision, int endpoints);

    [LoggerMessage(1202, LogLevel.Error, "Datapath {Datapath} failed to apply revision {Revision}; revision {Applied} stays enforced, next attempt in {Milliseconds:F0} ms")]
    private partial void LogApplyFailed(string datapath, long revision, long applied, double milliseconds, Exception exception);

    [LoggerMessage(1203, LogLevel.Information, "Datapath {Datapath} recovered: revision {Revision} is enforced")]
    private partial void LogRecovered(string datapath, long revision);

    [LoggerMessage(1204, LogLevel.Critical, "Datapath {Datapath} could not enforce the first state")]
    private partial void LogFirstApplyFailed(string datapath, Exception exception);

    [LoggerMessage(1205, LogLevel.Critical, "Source {Source} failed")]
    private partial void LogSourceFailed(string source, Exception exception);

    [LoggerMessage(1206, LogLevel.Information, "Stopped; revision {Revision} stays enforced")]
    private partial void LogStopped(long revision);

    [LoggerMessage(1207, LogLevel.Information, "Released: nothing of this agent is in the kernel any more, {Count} things were removed")]
    private partial void LogReleased(int count);

    [LoggerMessage(1208, LogLevel.Information, "Datapath switched from {From} to {To}")]
    private partial void LogSwitched(string from, string to);

    [LoggerMessage(1209, LogLevel.Warning, "Datapath {Datapath} enforces instead: {Reason}")]
    private partial void LogFellBack(string datapath, string reason);

    [LoggerMessage(1210, LogLevel.Error, "{Datapath} {Problem}")]
    private partial void LogNotRemoved(string datapath, string problem);
}
