using System.Diagnostics;
using Portcullis.Benchmarks.Agents;
using Portcullis.Benchmarks.Attach;
using Portcullis.Benchmarks.Compile;
using Portcullis.Benchmarks.Lookup;
using Portcullis.Benchmarks.Packets;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.RuleUpdate;
using Portcullis.Benchmarks.Traffic;

namespace Portcullis.Benchmarks.Running;

/// <summary>Runs suites and writes what they found out.</summary>
/// <param name="folder">Where to.</param>
/// <param name="executable">The executable <c>portcullis</c> for suites that need an agent.</param>
internal sealed class BenchRun(string folder, string executable)
{
    /// <summary>Every suite, in the order of running: what needs a quiet machine most comes first.</summary>
    public IReadOnlyList<ISuite> Suites { get; } =
    [
        new VerdictSuite(), new LookupSuite(), new TrafficSuite(), new UpdateSuite(), new AttachSuite(), new CompileSuite(), new ServiceSuite(),
        new StartSuite(executable), new ChurnSuite(executable),
    ];

    /// <summary>Runs the suites whose name contains the filter.</summary>
    /// <returns>Whether all of them came to an end.</returns>
    /// <exception cref="BenchException">There is none.</exception>
    public async Task<bool> RunAsync(string filter, CancellationToken cancellationToken)
    {
        var wanted = Suites.Where(suite => suite.Name.Contains(filter, StringComparison.Ordinal)).ToList();
        if (wanted.Count == 0)
        {
            throw new BenchException($"no suite has a name containing '{filter}': there are {string.Join(", ", Suites.Select(suite => suite.Name))}");
        }

        Directory.CreateDirectory(folder);
        Remains.RemoveOthers();
        var (started, clock) = (TimeProvider.System.GetUtcNow(), Stopwatch.StartNew());
        var recorder = new Recorder(Console.Out);
        var yardstick = new Yardstick();
        yardstick.Measure();
        var isComplete = true;
        foreach (var suite in wanted)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Console.WriteLine($"== {suite.Name}: {suite.Description}");
            isComplete &= await RunAsync(suite, recorder, cancellationToken);
            yardstick.Measure();
        }

        var run = new RunFile
        {
            Profile = Profile.Current.Name,
            Started = started,
            Seconds = clock.Elapsed.TotalSeconds,
            Machine = Machine.Read(),
            Noise = yardstick.Judge(),
            Results = recorder.Results,
            Skipped = recorder.Skipped,
            Targets = Targets.Judge(recorder.Results),
        };
        Write(run);
        return isComplete;
    }

    // One suite that fails leaves the figures of the others.
    private async Task<bool> RunAsync(ISuite suite, Recorder recorder, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        try
        {
            await suite.RunAsync(recorder, Path.Combine(folder, "benchmarkdotnet"), cancellationToken);
            Console.WriteLine($"   {suite.Name} took {clock.Elapsed.TotalSeconds:F0} s");
            return true;
        }
        catch (Exception exception) when (exception is BenchException or IOException or FeatureNotSupportedException or Datapaths.DatapathException or System.Net.Sockets.SocketException)
        {
            recorder.Skip(suite.Name, $"FAILED: {exception.Message}");
            return false;
        }
        finally
        {
            Remains.RemoveOwned();
        }
    }

    private void Write(RunFile run)
    {
        var json = Path.Combine(folder, "results.json");
        run.Save(json);
        File.WriteAllText(Path.Combine(folder, "results.md"), Tables.Report(run));
        var charts = Directory.CreateDirectory(Path.Combine(folder, "charts")).FullName;
        var drawn = Chart.All.Count(chart => chart.Write(run.Results, charts));
        Console.WriteLine();
        Console.WriteLine(Tables.TargetTable(run with { Targets = [.. run.Targets.Where(target => target.IsReached is not null)] }));
        Console.WriteLine();
        Console.WriteLine($"The machine was {run.Noise.Verdict}.");
        Console.WriteLine($"{run.Results.Count} figures in {run.Seconds:F0} s: {json}, results.md, {drawn} charts (profile {run.Profile}).");
    }
}
