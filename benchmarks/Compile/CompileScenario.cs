using System.Diagnostics;
using System.Runtime.CompilerServices;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Benchmarks.Compile;

/// <summary>Compiles a whole cluster as if every pod were on this node, then changes one thing at a time.</summary>
internal sealed class CompileScenario(Recorder recorder)
{
    public const string FullCompile = "full compile";

    private const int Repetitions = 1001;
    private long _revision;
    private SortedDictionary<string, string> _size = [];

    public void Run(int namespaces)
    {
        var world = new LargeWorld(namespaces);
        var changes = world.Resources.Select(ResourceChange.Upsert).ToArray();
        _size = new(StringComparer.Ordinal) { ["pods"] = $"{world.Pods.Count}", ["policies"] = $"{world.Policies.Count}" };
        Add("resources", "memory", "MB", Megabytes(GC.GetTotalMemory(forceFullCollection: true)));

        var compiler = new PolicyCompiler(new PolicyOptions());
        CompileAll(compiler, changes);
        Add(FullCompile, "memory", "MB", Megabytes(GC.GetTotalMemory(forceFullCollection: true)));
        Add(FullCompile, "peak resident", "MB", Megabytes(Process.GetCurrentProcess().PeakWorkingSet64));

        Relabel(compiler, world);
        ChangeLargePolicy(compiler);
        GC.KeepAlive(world);
    }

    // A method of its own, so that the change set does not stay alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void CompileAll(PolicyCompiler compiler, ResourceChange[] changes)
    {
        var processor = Environment.CpuUsage.TotalTime;
        var (pause, collections, allocated) = (GC.GetTotalPauseDuration(), GC.CollectionCount(0), GC.GetTotalAllocatedBytes());
        var watch = Stopwatch.StartNew();
        compiler.Apply(changes);
        var first = compiler.Flush(++_revision);
        watch.Stop();
        processor = Environment.CpuUsage.TotalTime - processor;
        pause = GC.GetTotalPauseDuration() - pause;
        Add(FullCompile, "time", "ms", watch.Elapsed.TotalMilliseconds);
        Add(FullCompile, "processor time", "ms", processor.TotalMilliseconds);
        Add(FullCompile, "collector's pauses", "ms", pause.TotalMilliseconds);
        Add(FullCompile, "collections", "times", GC.CollectionCount(0) - collections);
        Add(FullCompile, "allocated", "MB", Megabytes(GC.GetTotalAllocatedBytes() - allocated));
        Add(FullCompile, "rule sets", "of them", first.RuleSets.Length);
        Add(FullCompile, "peer sets", "of them", first.PeerSets.Length);
    }

    private void Relabel(PolicyCompiler compiler, LargeWorld world)
    {
        var times = new List<double>();
        for (var i = 0; i < Repetitions; i++)
        {
            var pod = world.Pods[i * 37 % world.Pods.Count];
            pod = pod with { Labels = pod.Labels.With("app", i % 2 == 0 ? "db" : "front") };
            times.Add(Time(compiler, out _, pod));
        }

        Report("one pod relabelled", times);
    }

    private void ChangeLargePolicy(PolicyCompiler compiler)
    {
        var resources = new List<Resource> { new Namespace { Name = "large", Labels = LabelSet.Of(("size", "large")) } };
        for (var i = 0; i < 11_000; i++)
        {
            resources.Add(new Workload
            {
                Namespace = "large",
                Name = $"pod-{i}",
                Labels = LabelSet.Of(("role", i < 1000 ? "server" : "client"), ("pod", $"{i}")),
                Addresses = [IpAddress.V4(0x0b000000u + (uint)i)],
            });
        }

        var policy = new NetworkPolicy
        {
            Namespace = "large",
            Name = "policy",
            PodSelector = LargeWorld.Select("role", "server"),
            Ingress = [new NetworkPolicyRule([new NetworkPolicyPeer(LargeWorld.Select("role", "client"), null, null)], [])],
        };
        Time(compiler, out _, [.. resources, policy]);
        var processor = Environment.CpuUsage.TotalTime;
        var ports = new List<double>();
        var peers = new List<double>();
        for (var i = 0; i < 101; i++)
        {
            var rule = policy.Ingress[0] with { Ports = [new NetworkPolicyPort(IpProtocol.Tcp, (ushort)(i + 1), null)] };
            ports.Add(Time(compiler, out var set, policy with { Ingress = [rule] }));
            Check(set.Endpoints.Length == 1000, "the policy did not change 1000 endpoints");
            var selector = new LabelSelector([new LabelRequirement("role", LabelOperator.In, ["client", $"{i}"])]);
            peers.Add(Time(compiler, out set, policy with { Ingress = [new NetworkPolicyRule([new NetworkPolicyPeer(selector, null, null)], [])] }));
            Check(set.PeerSets is [{ Added.Length: 10_000 }], "the policy did not bring 10000 peers");
        }

        Report("one policy with 1000 subjects and 10000 peers, other ports", ports);
        Report("one policy with 1000 subjects and 10000 peers, other peers", peers);
        var mean = (Environment.CpuUsage.TotalTime - processor).TotalMicroseconds / (ports.Count + peers.Count);
        Add("mean of both, this client's share included", "processor time", "us", mean);
    }

    private double Time(PolicyCompiler compiler, out ChangeSet set, params ReadOnlySpan<Resource> resources)
    {
        var changes = new ResourceChange[resources.Length];
        for (var i = 0; i < changes.Length; i++)
        {
            changes[i] = ResourceChange.Upsert(resources[i]);
        }

        var start = Stopwatch.GetTimestamp();
        compiler.Apply(changes);
        set = compiler.Flush(++_revision);
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds;
    }

    private void Report(string what, List<double> times)
    {
        var result = new Result("compile", what, string.Empty, _size, "time", "us", 0);
        recorder.Add(result, times);
        recorder.Add(result with { Metric = "time p99", Value = Statistics.Percentile(times, 0.99), Samples = times.Count });
    }

    private void Add(string what, string metric, string unit, double value) =>
        recorder.Add(new Result("compile", what, string.Empty, _size, metric, unit, value));

    private static void Check(bool condition, string problem)
    {
        if (!condition)
        {
            throw new InvalidOperationException(problem);
        }
    }

    private static double Megabytes(long bytes) => bytes / 1048576.0;
}
