using System.Diagnostics;
using Portcullis.Benchmarks.Results;
using Portcullis.Benchmarks.Running;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Benchmarks.Compile;

/// <summary>One node of a cluster with a Service in every namespace, and one change at a time. Egress policies have to decide each cluster IP.</summary>
internal sealed class ServiceScenario(Recorder recorder)
{
    private const int Repetitions = 201;
    private const string ThisNode = "node-0";
    private readonly SortedDictionary<string, string> _size = new(StringComparer.Ordinal);
    private long _revision;

    public void Run(int namespaces, int endpoints)
    {
        _size["services"] = $"{namespaces}";
        _size["endpoints"] = $"{endpoints}";
        var world = new LargeWorld(namespaces);
        var compiler = new PolicyCompiler(new PolicyOptions { NodeName = ThisNode });
        var services = Enumerable.Range(0, namespaces).Select(CreateService).ToArray();
        var stride = Math.Max(1, (world.Pods.Count / endpoints) - 1);
        var pods = world.Pods.Select((pod, index) => pod with { NodeName = index % stride == 0 ? ThisNode : "node-1" }).ToArray();
        Resource[] resources = [.. world.Resources.Where(resource => resource is not Workload), .. pods];
        Measure("everything but Services", () => Change(compiler, resources));
        Measure("every Service", () => Change(compiler, services));
        recorder.Add(new Result("services", "everything", string.Empty, _size, "memory", "MB", GC.GetTotalMemory(forceFullCollection: true) / 1048576.0));

        Repeat("one Service added", i => Change(compiler, CreateService(namespaces + i)), i => Remove(compiler, CreateService(namespaces + i)));
        Repeat("one Service removed", i => Remove(compiler, services[i % namespaces]), i => Change(compiler, services[i % namespaces]));
        Repeat("one backend not ready", i => Change(compiler, pods[(4 * i) + 1] with { Ready = false }), i => Change(compiler, pods[(4 * i) + 1]));
        Repeat("one other node added", i => Change(compiler, CreateNode(i)), i => Remove(compiler, CreateNode(i)));
    }

    private static Service CreateService(int index) => new()
    {
        Namespace = $"namespace-{index}",
        Name = "back",
        ClusterIps = [IpAddress.V4(0xac100000u + (uint)index)],
        Ports = [new ServicePort(IpProtocol.Tcp, 443, (ushort)8080)],
        Selector = LabelSet.Of(("app", "back")),
    };

    private static Node CreateNode(int index) => new() { Name = $"other-{index}", Addresses = [IpAddress.V4(0xc0a80000u + (uint)index)] };

    private ChangeSet Change(PolicyCompiler compiler, params Resource[] resources) =>
        Apply(compiler, Array.ConvertAll(resources, ResourceChange.Upsert));

    private ChangeSet Remove(PolicyCompiler compiler, Resource resource) => Apply(compiler, [ResourceChange.Delete(resource.Key)]);

    private ChangeSet Apply(PolicyCompiler compiler, ResourceChange[] changes)
    {
        compiler.Apply(changes);
        return compiler.Flush(++_revision);
    }

    private void Measure(string what, Func<ChangeSet> change)
    {
        var start = Stopwatch.GetTimestamp();
        var set = change();
        recorder.Add(new Result("services", what, string.Empty, _size, "time", "ms", Stopwatch.GetElapsedTime(start).TotalMilliseconds));
        recorder.Add(new Result("services", what, string.Empty, _size, "changed rule sets", "of them", set.RuleSets.Length));
    }

    private void Repeat(string what, Action<int> change, Action<int> undo)
    {
        var times = new List<double>();
        for (var i = 0; i < Repetitions; i++)
        {
            var start = Stopwatch.GetTimestamp();
            change(i);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            undo(i);
        }

        var result = new Result("services", what, string.Empty, _size, "time", "us", 0);
        recorder.Add(result, times);
        recorder.Add(result with { Metric = "time p99", Value = Statistics.Percentile(times, 0.99), Samples = times.Count });
    }
}
