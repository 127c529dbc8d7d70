using System.Globalization;
using System.Text.Json;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Net;

namespace Portcullis.Benchmarks.Traffic;

/// <summary>One TCP stream by iperf3.</summary>
internal static class Throughput
{
    /// <summary>Sends for a while.</summary>
    /// <returns>Received bits a second, and the processor time of one second.</returns>
    public static (double BitsPerSecond, TimeSpan Processor) Run(Bed bed, TimeSpan time)
    {
        var server = bed.Server.Address(IpFamily.IPv4).ToString();
        using var listener = Commands.Start(
            bed.Server.Network, "iperf3", "--server", "--one-off", "--bind", server, "--port", $"{RuleWorld.ThroughputPort}", "--forceflush");
        try
        {
            // It says so when it listens.
            while (listener.StandardOutput.ReadLine() is { } line && !line.Contains("listening", StringComparison.OrdinalIgnoreCase))
            {
            }

            var before = ProcessorClock.Now();
            var output = Commands.Run(
                bed.Client.Network,
                string.Empty,
                "iperf3",
                ["--client", server, "--port", $"{RuleWorld.ThroughputPort}", "--time", time.TotalSeconds.ToString("F0", CultureInfo.InvariantCulture), "--json", "--connect-timeout", "2000"]);
            var processor = ProcessorClock.Now() - before;
            using var report = JsonDocument.Parse(output);
            var received = report.RootElement.GetProperty("end").GetProperty("sum_received");
            return (received.GetProperty("bits_per_second").GetDouble(), processor / received.GetProperty("seconds").GetDouble());
        }
        finally
        {
            if (!listener.HasExited)
            {
                listener.Kill();
            }

            listener.WaitForExit();
        }
    }
}
