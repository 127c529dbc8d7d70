using System.Globalization;
using System.Runtime.Versioning;
using System.Text.Json;
using Portcullis.Packets;

[assembly: SupportedOSPlatform("linux")]

if (args is not ([] or ["verdict"]))
{
    Console.Error.WriteLine("usage: Portcullis.Packets [verdict]\nMeasures one packet through the eBPF programs by BPF_PROG_TEST_RUN, above an empty program of the same run.\nNeeds root. Writes verdict.json and verdict.md into the current folder.");
    return args is ["--help"] ? 0 : 2;
}

try
{
    using var bench = new VerdictBench();
    Console.Error.WriteLine($"loading {VerdictBench.Peers:N0} peer addresses of each family ...");
    bench.Load();
    string[] header = ["| packet | ns | empty program, ns | above it, ns | ratio | target |", "| --- | ---: | ---: | ---: | ---: | --- |"];
    Console.WriteLine(string.Join('\n', header));
    var measured = new List<Measurement>();
    foreach (var measurement in bench.Measure())
    {
        measured.Add(measurement);
        Console.WriteLine(Row(measurement));
    }

    string[] scaleHeader = ["", "| size and change | | target |", "| --- | ---: | --- |"];
    Console.WriteLine(string.Join('\n', scaleHeader));
    var figures = new List<Figure>();
    foreach (var figure in ScaleBench.Measure())
    {
        figures.Add(figure);
        Console.WriteLine(FigureRow(figure));
    }

    File.WriteAllText("verdict.json", JsonSerializer.Serialize(new { packets = measured, scale = figures }, JsonSerializerOptions.Web));
    File.WriteAllLines("verdict.md", [.. header, .. measured.Select(Row), .. scaleHeader, .. figures.Select(FigureRow)]);
    return 0;
}
catch (Exception e) when (e is Portcullis.FeatureNotSupportedException or Portcullis.Datapaths.DatapathException)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

static string Row(Measurement measurement) => string.Create(
    CultureInfo.InvariantCulture,
    $"| {measurement.Packet} | {measurement.Nanoseconds} | {measurement.Empty} | {measurement.Above} | {(double)measurement.Nanoseconds / measurement.Empty:F2} | {Target(measurement)} |");

static string Target(Measurement measurement) => measurement.Target is { } target
    ? $"{(measurement.Above <= target ? "reached" : "missed")}: {target} ns above"
    : string.Empty;

static string FigureRow(Figure figure) => string.Create(
    CultureInfo.InvariantCulture,
    $"| {figure.What} | {figure.Value:0.##} {figure.Unit} | {(figure.IsReached ? "reached" : "missed")}: {figure.Target} {figure.Unit} |");
