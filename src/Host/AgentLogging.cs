using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Portcullis.Host.Configuration;

namespace Portcullis.Host;

/// <summary>Logs go to stderr, one line each, for people or as JSON.</summary>
internal static class AgentLogging
{
    private const string TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";

    /// <summary>Makes the factory that host and plugins log through.</summary>
    public static ILoggerFactory Create(LoggingOptions options) => LoggerFactory.Create(builder =>
    {
        builder.SetMinimumLevel(options.Level);
        builder.AddFilter("Microsoft", options.Level < LogLevel.Warning ? LogLevel.Warning : options.Level);
        // What it cannot start is thrown too, and then told in one line instead of a stack.
        builder.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        builder.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (options.Json)
        {
            builder.AddJsonConsole(json =>
            {
                json.TimestampFormat = TimestampFormat;
                json.UseUtcTimestamp = true;
            });
        }
        else
        {
            builder.AddSimpleConsole(simple =>
            {
                simple.SingleLine = true;
                simple.TimestampFormat = TimestampFormat + " ";
                simple.UseUtcTimestamp = true;
                simple.ColorBehavior = Console.IsErrorRedirected ? LoggerColorBehavior.Disabled : LoggerColorBehavior.Default;
            });
        }
    });
}
