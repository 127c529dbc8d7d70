using System.CommandLine;
using System.Runtime.InteropServices;
using Portcullis.Benchmarks;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;
using Portcullis.Host.Native;

var output = new Option<string>("--output") { Description = "The folder for results", DefaultValueFactory = _ => "artifacts/benchmarks" };
var executable = new Option<string>("--executable") { Description = "The executable portcullis", DefaultValueFactory = _ => "artifacts/portcullis/portcullis" };
var profile = new Option<string>("--profile") { Description = "quick: at most 5 minutes; full: at most 60; smoke: whether everything works", DefaultValueFactory = _ => "quick" };
var filter = new Argument<string>("filter") { Description = "Part of the names of the suites to run", DefaultValueFactory = _ => string.Empty };
var first = new Argument<string>("before") { Description = "results.json of a run" };
var second = new Argument<string>("after") { Description = "results.json of a later run" };
var results = new Argument<string>("results") { Description = "results.json of a run" };
var page = new Argument<string>("page") { Description = "The page to write its figures into", DefaultValueFactory = _ => "docs/performance.md" };

var run = new Command("run", "Measures") { filter, profile, output, executable };
run.SetAction((parse, _) => MeasureAsync(parse.GetRequiredValue(filter), parse.GetRequiredValue(profile), parse.GetRequiredValue(output), parse.GetRequiredValue(executable)));
var compare = new Command("compare", "Says what became slower between two runs; exit code 1 when something did") { first, second };
compare.SetAction(parse => Guard(() => Comparison.Print(RunFile.Load(parse.GetRequiredValue(first)), RunFile.Load(parse.GetRequiredValue(second)), Console.Out) ? 0 : 1));
var report = new Command("report", "Writes the figures and charts of a run into a page of documentation") { results, page };
report.SetAction(parse => Guard(() =>
{
    PerformancePage.Write(RunFile.Load(parse.GetRequiredValue(results)), parse.GetRequiredValue(page));
    return 0;
}));
var suites = new Command("suites", "Lists the suites");
suites.SetAction(_ =>
{
    foreach (var suite in new BenchRun(string.Empty, string.Empty).Suites)
    {
        Console.WriteLine($"  {suite.Name,-10} {suite.Description}");
    }
});
return await new RootCommand("The benchmarks of Portcullis") { run, compare, report, suites }.Parse(args).InvokeAsync();

// Signals end the run at once: whatever it is doing fails when its namespaces go.
static async Task<int> MeasureAsync(string filter, string profile, string output, string executable)
{
    using var interrupted = new CancellationTokenSource();
    void Interrupt(PosixSignalContext context)
    {
        context.Cancel = true;
        Console.Error.WriteLine("interrupted: cleaning up");
        interrupted.Cancel();

        // Until the process is gone, or the run would make more.
        using var changing = Remains.Change();
        Remains.RemoveAll();
        Environment.Exit(130);
    }

    using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
    using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
    BpfFileSystem.MountIfMissing();
    try
    {
        Profile.Current = Profile.Named(profile);
        return await new BenchRun(Path.GetFullPath(output), Path.GetFullPath(executable)).RunAsync(filter, interrupted.Token) ? 0 : 3;
    }
    catch (BenchException exception)
    {
        Console.Error.WriteLine(exception.Message);
        return 2;
    }
    finally
    {
        Remains.RemoveAll();
    }
}

static int Guard(Func<int> action)
{
    try
    {
        return action();
    }
    catch (Exception exception) when (exception is BenchException or IOException)
    {
        Console.Error.WriteLine(exception.Message);
        return 2;
    }
}
