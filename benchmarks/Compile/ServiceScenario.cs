using System.Diagnostics;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Benchmarks.Compile;

/// <summary>One node of a cluster with a Service in every namespace, and one change at a time. Egress policies have to decide each cluster IP.</summary>
internal static class ServiceScenario
{
    private const int Repetitions = 201;
    private const string ThisNode = "node-0";
    private static long _revision;

    public static int Run(int namespaces, int endpoints)
    {
        var world = new LargeWorld(namespaces);
        var compiler = new PolicyCompiler(new PolicyOptions { NodeName = ThisNode });
        var services = Enumerable.Range(0, namespaces).Select(CreateService).ToArray();
        var stride = Math.Max(1, (world.Pods.Count / endpoints) - 1);
        var pods = world.Pods.Select((pod, index) => pod with { NodeName = index % stride == 0 ? ThisNode : "node-1" }).ToArray();
        Resource[] resources = [.. world.Resources.Where(resource => resource is not Workload), .. pods];
        Measure("everything but Services", () => Change(compiler, resources));
        Measure("every Service", () => Change(compiler, services));
        Console.WriteLine($"{compiler.Metrics}; {GC.GetTotalMemory(forceFullCollection: true) / 1048576} MB");

        Repeat("one Service added", i => Change(compiler, CreateService(namespaces + i)), i => Remove(compiler, CreateService(namespaces + i)));
        Repeat("one Service removed", i => Remove(compiler, services[i % namespaces]), i => Change(compiler, services[i % namespaces]));
        Repeat("one backend not ready", i => Change(compiler, pods[(4 * i) + 1] with { Ready = false }), i => Change(compiler, pods[(4 * i) + 1]));
        Repeat("one other node added", i => Change(compiler, CreateNode(i)), i => Remove(compiler, CreateNode(i)));
        return 0;
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

    private static ChangeSet Change(PolicyCompiler compiler, params Resource[] resources) =>
        Apply(compiler, Array.ConvertAll(resources, ResourceChange.Upsert));

    private static ChangeSet Remove(PolicyCompiler compiler, Resource resource) => Apply(compiler, [ResourceChange.Delete(resource.Key)]);

    private static ChangeSet Apply(PolicyCompiler compiler, ResourceChange[] changes)
    {
        compiler.Apply(changes);
        return compiler.Flush(++_revision);
    }

    private static void Measure(string what, Func<ChangeSet> change)
    {
        var start = Stopwatch.GetTimestamp();
        var set = change();
        Console.WriteLine($"{what}: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms; {set.Endpoints.Length} endpoints, {set.RuleSets.Length} rule sets, {set.PeerSets.Length} peer sets");
    }

    private static void Repeat(string what, Action<int> change, Action<int> undo)
    {
        var times = new List<double>();
        for (var i = 0; i < Repetitions; i++)
        {
            var start = Stopwatch.GetTimestamp();
            change(i);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            undo(i);
        }

        times.Sort();
        Console.WriteLine($"{what}: median {times[Repetitions / 2]:F1} us, p99 {times[(int)(Repetitions * 0.99)]:F1} us");
    }
}
