using System.Globalization;
using System.Runtime.Versioning;
using System.Text.Json;
using Portcullis.Packets;

[assembly: SupportedOSPlatform("linux")]

if (args is ["--help"] or ["-h"])
{
    Console.WriteLine("usage: Portcullis.Packets [FOLDER]\nMeasures one packet through the eBPF programs by BPF_PROG_TEST_RUN, above an empty program of the same run.\nNeeds root. With FOLDER, also writes verdict.json and verdict.md there.");
    return 0;
}

try
{
    using var bench = new VerdictBench();
    Console.Error.WriteLine($"loading {VerdictBench.Peers:N0} peer addresses of each family ...");
    bench.Load();
    Console.WriteLine($"| packet | ns | empty program, ns | above it, ns | ratio |\n| --- | ---: | ---: | ---: | ---: |");
    var measured = new List<Measurement>();
    foreach (var measurement in bench.Measure())
    {
        measured.Add(measurement);
        Console.WriteLine(Row(measurement));
    }

    if (args is [var folder])
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "verdict.json"), JsonSerializer.Serialize(measured, JsonSerializerOptions.Web));
        File.WriteAllLines(Path.Combine(folder, "verdict.md"), ["| packet | ns | empty program, ns | above it, ns | ratio |", "| --- | ---: | ---: | ---: | ---: |", .. measured.Select(Row)]);
    }

    return 0;
}
catch (Exception e) when (e is Portcullis.FeatureNotSupportedException or Portcullis.Datapaths.DatapathException)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

static string Row(Measurement measurement) => string.Create(
    CultureInfo.InvariantCulture,
    $"| {measurement.Packet} | {measurement.Nanoseconds} | {measurement.Empty} | {(int)measurement.Nanoseconds - (int)measurement.Empty} | {(double)measurement.Nanoseconds / measurement.Empty:F2} |");
