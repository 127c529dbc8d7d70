using Microsoft.Extensions.Logging;

namespace Portcullis.Sources.Kubernetes.Informers;

internal sealed partial class Informer<T>
{
    [LoggerMessage(5001, LogLevel.Debug, "Listed {Count} {Kind} at version {Version}")]
    private partial void LogListed(string kind, int count, string version);

    [LoggerMessage(5002, LogLevel.Information, "Listing {Kind} anew, because a change may have been missed: {Reason}")]
    private partial void LogRelisting(string kind, string reason);

    [LoggerMessage(5003, LogLevel.Information, "The watch of {Kind} told nothing for {Seconds} s and is made anew")]
    private partial void LogSilent(string kind, double seconds);

    [LoggerMessage(5004, LogLevel.Debug, "Reading {Kind} failed and is tried again")]
    private partial void LogFailed(string kind, Exception exception);
}
