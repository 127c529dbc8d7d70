namespace Portcullis.Benchmarks.Results;

/// <summary>How a target came out.</summary>
/// <param name="What">What was promised.</param>
/// <param name="Limit">The limit.</param>
/// <param name="Unit">Unit of limit and measurement.</param>
/// <param name="Measured">What was measured; null: nothing was, in this run.</param>
/// <param name="IsHigherBetter">Whether the limit is a lower one.</param>
internal sealed record TargetVerdict(string What, double Limit, string Unit, double? Measured, bool IsHigherBetter)
{
    /// <summary>Whether it was reached; null: not measured.</summary>
    public bool? IsReached => Measured is { } value ? (IsHigherBetter ? value >= Limit : value <= Limit) : null;

    /// <summary>In words, with the distance from the limit.</summary>
    public string Verdict() => IsReached switch
    {
        null => "not measured in this run",
        var reached => $"{(reached.Value ? "reached" : "missed")}, {Math.Abs(1 - (Measured!.Value / Limit)):P0} {(Measured < Limit ? "below" : "above")} the limit",
    };
}

/// <summary>What the project promises, each the worst of the results that say something about it.</summary>
internal static class Targets
{
    public static IReadOnlyList<TargetVerdict> Judge(IReadOnlyList<Result> results) =>
    [
        AtMost("IPv4 verdict above an empty program, 100,000 peers", 20, "ns", Verdict(results, "IPv4 TCP, allowed")),
        AtMost("IPv4 packet, 10 to 10,000 rules and 1,000 to 100,000 addresses, between cheapest and dearest", 10, "%", Flatness(results)),
        AtMost("IPv4 reply through a permit above an empty program", 80, "ns", Verdict(results, "IPv4 TCP, reply by permit")),
        AtMost("IPv6 verdict above an empty program", 45, "ns", Verdict(results, "IPv6 TCP, allowed")),
        AtMost("IPv4 deny by policy alone above an empty program, new connection", 25, "ns", Verdict(results, "IPv4 TCP, new connection, denied")),
        AtMost("IPv4 deny by policy alone above an empty program, both directions isolated", 25, "ns", Verdict(results, "IPv4 TCP, denied, both directions isolated")),
        AtMost("IPv4 deny after a look for a reply permit, above an empty program", 25, "ns", Verdict(results, "IPv4 TCP, denied, no reply permit found")),
        AtMost("a rule set made and an endpoint switched to it", 1, "ms", Of(results, "verdict", "a rule set made and an endpoint switched to it", "ebpf", "size and change")),
        AtMost("kernel memory of an endpoint", 1_024, "bytes", Of(results, "verdict", "kernel memory of an endpoint with one address of each family", "ebpf", "size and change")),
        AtMost("100,000 IPv4 peer addresses replaced in the kernel", 50, "ms", Of(results, "verdict", "100,000 peer addresses replaced", "ebpf", "size and change")),
        AtMost("100 pods attached that come at once", 200, "ms", Of(results, "attach", "pods that come at once", "ebpf", "time", result => result.Size("pods") == 100)),
        AtMost("one pod added until enforced, p50 of the program's part", 1, "ms", Of(results, "update", "one pod added", "ebpf", "time"), scale: 1e-3),
        AtMost("one label flipped until enforced, p50 of the program's part", 1, "ms", Of(results, "update", "one label flipped", "ebpf", "time"), scale: 1e-3),
        AtMost("one change of a manifest until enforced, 100 a second, p50", 20, "ms", Of(results, "churn", "one of many changes", "ebpf", "enforced p50")),
        AtMost("one change of a manifest until enforced, 100 a second, p99", 100, "ms", Of(results, "churn", "one of many changes", "ebpf", "enforced p99")),
        AtMost("full compile: 100,000 pods, 25,000 namespaces, 75,000 policies", 3_000, "ms", Compile(results, "time")),
        AtMost("its memory", 400, "MB", Compile(results, "memory")),
        AtMost("agent's memory, idle", 75, "MB", Of(results, "start", "idle", "ebpf", "resident")),
        AtMost("agent's memory, 100,000 pods known", 250, "MB", Of(results, "start", "many pods known", "ebpf", "resident")),
        new("TCP throughput, of empty programs", 0.98, "times", Ratio(results, "TCP stream", "throughput"), IsHigherBetter: true),
        new("TCP connects, of empty programs", 0.97, "times", Ratio(results, "TCP connections", "connects"), IsHigherBetter: true),
        AtMost("start to enforcing, 100 local pods, warm", 1_000, "ms", Of(results, "start", "rules of an earlier start in force", "ebpf", "until enforcing")),
    ];

    private static TargetVerdict AtMost(string what, double limit, string unit, IEnumerable<Result> of, double scale = 1) =>
        new(what, limit, unit, of.Select(result => (double?)(result.Value * scale)).Max(), IsHigherBetter: false);

    private static IEnumerable<Result> Of(IReadOnlyList<Result> results, string suite, string name, string datapath, string metric, Func<Result, bool>? where = null) =>
        results.Where(result => result.Suite == suite && result.Case == name && result.Datapath == datapath && result.Metric == metric && (where is null || where(result)));

    private static IEnumerable<Result> Verdict(IReadOnlyList<Result> results, string packet) => Of(results, "verdict", packet, "ebpf", "above empty");

    private static IEnumerable<Result> Compile(IReadOnlyList<Result> results, string metric) => Of(results, "compile", "full compile", string.Empty, metric);

    private static IEnumerable<Result> Flatness(IReadOnlyList<Result> results) => results.Where(result => result is { Suite: "verdict", Unit: "%" });

    private static double? Ratio(IReadOnlyList<Result> results, string name, string metric) =>
        Of(results, "traffic", name, "ebpf", metric).FirstOrDefault()?.Ratio;
}
