using System.Collections.Immutable;

namespace Portcullis.Benchmarks.Running;

/// <summary>How much is measured.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Rules">The rule counts.</param>
/// <param name="SlowRules">The most rules for what needs seconds to load them.</param>
/// <param name="Addresses">The address counts.</param>
/// <param name="Iterations">Measurements of each figure.</param>
/// <param name="TrafficRounds">Rounds of traffic over all datapaths.</param>
/// <param name="ChurnSeconds">How long churn lasts.</param>
/// <param name="Namespaces">Scale of the compiler's world.</param>
/// <param name="Patience">How long to wait in sum for moments without a neighbour.</param>
/// <param name="IsFull">Whether everything is wanted.</param>
internal sealed record Profile(
    string Name,
    ImmutableArray<int> Rules,
    int SlowRules,
    ImmutableArray<int> Addresses,
    int Iterations,
    int TrafficRounds,
    int ChurnSeconds,
    ImmutableArray<int> Namespaces,
    TimeSpan Patience,
    bool IsFull)
{
    /// <summary>The address count while rules vary, and the rule count while addresses do.</summary>
    public const int MiddleAddresses = 10_000;

    /// <inheritdoc cref="MiddleAddresses"/>
    public const int MiddleRules = 1_000;

    public static Profile Quick { get; } =
        new("quick", [10, 1_000, 10_000], 1_000, [1_000, 100_000], Iterations: 7, TrafficRounds: 3, ChurnSeconds: 10, [1_000], TimeSpan.FromSeconds(20), IsFull: false);

    public static Profile Full { get; } =
        new("full", [10, 100, 1_000, 10_000, 100_000], 100_000, [1_000, 10_000, 100_000], Iterations: 21, TrafficRounds: 15, ChurnSeconds: 60, [1_000, 5_000, 25_000], TimeSpan.FromMinutes(5), IsFull: true);

    /// <summary>Everything once, as small as possible: whether it works. Its figures mean nothing.</summary>
    public static Profile Smoke { get; } =
        new("smoke", [10, 100], 100, [1_000], Iterations: 2, TrafficRounds: 1, ChurnSeconds: 2, [100], TimeSpan.Zero, IsFull: false);

    /// <summary>The profile of this run: BenchmarkDotNet asks static members for parameters.</summary>
    public static Profile Current { get; set; } = Quick;

    /// <exception cref="BenchException">There is none of this name.</exception>
    public static Profile Named(string name) => name switch
    {
        "quick" => Quick,
        "full" => Full,
        "smoke" => Smoke,
        _ => throw new BenchException($"--profile {name}: it is quick, full or smoke"),
    };
}
