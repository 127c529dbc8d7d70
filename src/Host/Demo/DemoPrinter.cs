using Portcullis.Host.Api;
using Portcullis.Net;

namespace Portcullis.Host.Demo;

/// <summary>Prints the demo's progress for people, within 100 columns.</summary>
internal sealed class DemoPrinter(TextWriter output, bool useColours)
{
    private const string Green = "\e[32m";
    private const string Red = "\e[31m";
    private const string Bold = "\e[1m";
    private const string Reset = "\e[0m";
    private const int NameWidth = 32;

    /// <summary>What a round starts with.</summary>
    public void PrintRound(DemoScenario scenario, IpFamily family, StatusDatapathDto datapath, double readyMilliseconds)
    {
        output.WriteLine(Paint(Bold, $"== {family}: {scenario.Pods.Count} pods, each in a network namespace of its own"));
        output.WriteLine($"   datapath {datapath.Plugin}: {datapath.Reason}");
        output.WriteLine($"   the agent was ready {readyMilliseconds:F0} ms after its start");
        foreach (var (target, i) in scenario.Targets.Select((target, i) => (target, i)))
        {
            var pod = scenario.Pods.First(pod => pod.FullName.ToString() == target.Pod);
            output.WriteLine($"   {Letter(i)} = {target.Pod,-NameWidth} port {target.Port,-6} {pod.Address(family)}");
        }

        output.WriteLine("   + answered an HTTP request   - no answer within 3 s   ! failed otherwise");
        output.WriteLine();
    }

    /// <summary>One step with both matrices.</summary>
    public void PrintStep(DemoScenario scenario, int number, DemoStepResult result)
    {
        var letters = string.Join(' ', Enumerable.Range(0, scenario.Targets.Count).Select(Letter));
        output.WriteLine(Paint(Bold, $"{number}. {result.Title}"));
        output.WriteLine($"   {string.Empty,-NameWidth} expected       observed");
        output.WriteLine($"   {"from",-NameWidth} {letters}    {letters}");
        foreach (var pod in scenario.Pods)
        {
            var row = result.Probes.Where(probe => probe.From == pod.FullName.ToString()).ToList();
            var expected = string.Join(' ', row.Select(probe => Sign(probe.Expected)));
            var observed = string.Join(' ', row.Select(probe => Sign(probe.Observed)));
            var note = row.All(probe => probe.Agree) ? string.Empty : Paint(Red, "   MISMATCH");
            output.WriteLine($"   {pod.FullName,-NameWidth} {expected}    {observed}{note}");
        }

        if (result.Milliseconds.Count == 1)
        {
            output.WriteLine($"   enforced {result.Milliseconds[0]:F1} ms after the file was renamed into place");
        }
        else if (result.Milliseconds.Count > 1)
        {
            var times = string.Join(", ", result.Milliseconds.Select(value => value.ToString("F1")));
            output.WriteLine($"   enforced {times} ms after each file was deleted");
        }

        output.WriteLine();
    }

    /// <summary>The last lines.</summary>
    public void PrintVerdict(DemoReport report)
    {
        foreach (var round in report.Rounds)
        {
            var median = DemoReport.Median(round.Steps.SelectMany(step => step.Milliseconds));
            output.WriteLine($"{round.Family}: from file change to enforcement {median:F1} ms at the median");
        }

        output.WriteLine(report.Agree
            ? Paint(Green, $"PASSED: all {report.Probes} connections ended as expected; enforcement took {report.MedianMilliseconds:F1} ms at the median")
            : Paint(Red, $"FAILED: {report.Mismatches} of {report.Probes} connections ended otherwise than expected"));
    }

    private static string Letter(int target) => ((char)('A' + target)).ToString();

    private string Sign(ProbeOutcome outcome) => outcome switch
    {
        ProbeOutcome.Allowed => Paint(Green, "+"),
        ProbeOutcome.Denied => Paint(Red, "-"),
        _ => Paint(Red, "!"),
    };

    private string Paint(string colour, string text) => useColours ? $"{colour}{text}{Reset}" : text;
}
