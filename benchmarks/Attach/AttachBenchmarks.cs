using BenchmarkDotNet.Attributes;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Benchmarks.Attach;

/// <summary>Pods that come to a node all at once.</summary>
public class AttachBenchmarks : IDisposable
{
    private Bed? _bed;
    private ChangeSet? _world;
    private ChangeSet? _pods;

    [ParamsSource(nameof(Settings))]
    public Setting? Setting { get; set; }

    /// <summary>Ten rules for each pod: rules over <see cref="RuleWorld.RulesPerPolicy"/> are pods, the server is one of them.</summary>
    public static IEnumerable<Setting> Settings =>
        from kind in new[] { DatapathKind.Ebpf, DatapathKind.Iptables }.Where(kind => Bed.Missing(kind) is null)
        from pods in Profile.Current.IsFull ? new[] { 10, 100 } : [100]
        select new Setting(kind.Text(), pods * RuleWorld.RulesPerPolicy, 1_000, string.Empty);

    [GlobalSetup]
    public void Setup()
    {
        var world = new RuleWorld(Setting!.Rules, Setting.Addresses);
        _bed = Bed.Create(Setting.Kind, world.Pods - 1);
        IReadOnlyList<Resource> resources = [.. world.Resources];
        _world = _bed.Compile(resources);
    }

    [IterationSetup]
    public void Renew() => _pods = _bed!.Renew(_world!);

    [Benchmark]
    public void AttachAll() => _bed!.Apply(_pods!);

    [GlobalCleanup]
    public void Dispose()
    {
        _bed?.Dispose();
        GC.SuppressFinalize(this);
    }
}
