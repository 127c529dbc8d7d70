using System.Collections.Immutable;
using System.Diagnostics;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

public sealed class ManyPodsTests(ITestOutputHelper output) : IDisposable
{
    private const int Pods = 100;

    private readonly Machine _machine = new();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Pods_AHundredAtOnce_AreAttachedInTimeAndDetached()
    {
        for (var pod = 1; pod <= Pods; pod++)
        {
            _machine.Host.Ip($"link add d{pod} index {1000 + pod} type veth peer name e{pod} index {2000 + pod}");
        }

        var datapath = _machine.Datapath();
        ImmutableArray<Endpoint> endpoints = [.. Enumerable.Range(1, Pods).Select(EndpointOf)];
        _machine.Apply(datapath, Machine.World(1, []));
        var times = new List<double>();
        for (var round = 0; round < 3; round++)
        {
            var start = Stopwatch.GetTimestamp();
            var result = _machine.Apply(datapath, new ChangeSet { Revision = 2 + (2 * round), Endpoints = endpoints });
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            Assert.Equal([], result.Problems.Select(problem => $"{problem.Object} {problem.Message}"));
            Assert.Equal(Pods, datapath.GetStatus().Tables.Single(table => table.Table == "endpoints").Entries);
            Assert.Empty(_machine.Apply(datapath, new ChangeSet { Revision = 3 + (2 * round), RemovedEndpoints = [.. endpoints.Select(endpoint => endpoint.Workload)] }).Problems);
        }

        output.WriteLine($"{Pods} pods attached in {string.Join(", ", times.Select(time => $"{time:0.0}"))} ms");
        Assert.InRange(times.Min(), 0, 200);
    }

    private static Endpoint EndpointOf(int pod) => new(
        new NamespacedName("test", $"pod{pod}"),
        $"d{pod}",
        InterfaceSide.Peer,
        [IpAddress.V4(0x0a4e0000 + (uint)pod)],
        new RuleSetId(1),
        new RuleSetId(2),
        new Link($"d{pod}", 1000 + pod));
}
