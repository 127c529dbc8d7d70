using System.Text.Json.Serialization;
using Portcullis.Host.Api;
using Portcullis.Net;

namespace Portcullis.Host.Demo;

/// <summary>What the demo found.</summary>
internal sealed record DemoReport(IReadOnlyList<DemoRound> Rounds)
{
    /// <summary>Whether every observation is the expected one.</summary>
    public bool Agree => Rounds.All(round => round.Steps.All(step => step.Agree));

    /// <summary>How many connections were tried.</summary>
    public int Probes => Rounds.Sum(round => round.Steps.Sum(step => step.Probes.Count));

    /// <summary>How many of them ended otherwise than expected.</summary>
    public int Mismatches => Rounds.Sum(round => round.Steps.Sum(step => step.Probes.Count(probe => !probe.Agree)));

    /// <summary>The median time from a file change to its enforcement.</summary>
    public double MedianMilliseconds => Median(Rounds.SelectMany(round => round.Steps).SelectMany(step => step.Milliseconds));

    /// <summary>The median; 0 of nothing.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var ordered = values.Order().ToArray();
        return ordered.Length == 0 ? 0 : (ordered[(ordered.Length - 1) / 2] + ordered[ordered.Length / 2]) / 2;
    }
}

/// <summary>The scenario with the addresses of one family.</summary>
/// <param name="Family">The family.</param>
/// <param name="Datapath">The datapath that enforced it.</param>
/// <param name="ReadyMilliseconds">From the start of the agent to its being ready.</param>
/// <param name="Steps">The steps.</param>
internal sealed record DemoRound(IpFamily Family, StatusDatapathDto Datapath, double ReadyMilliseconds, IReadOnlyList<DemoStepResult> Steps);

/// <summary>One step.</summary>
/// <param name="Title">What it is about.</param>
/// <param name="Milliseconds">For each changed file the time to its enforcement.</param>
/// <param name="Probes">Every pair.</param>
internal sealed record DemoStepResult(string Title, IReadOnlyList<double> Milliseconds, IReadOnlyList<DemoProbe> Probes)
{
    /// <summary>Whether every observation is the expected one.</summary>
    public bool Agree => Probes.All(probe => probe.Agree);
}

/// <summary>One connection that was tried.</summary>
internal sealed record DemoProbe(string From, string To, int Port, ProbeOutcome Expected, ProbeOutcome Observed)
{
    /// <summary>Whether it ended as expected.</summary>
    [JsonIgnore]
    public bool Agree => Expected == Observed;
}
