using BenchmarkDotNet.Attributes;
using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Running;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Benchmarks.Compile;

/// <summary>Compiles a cluster in which every pod is an endpoint.</summary>
public class CompileBenchmarks
{
    private ResourceChange[] _changes = [];
    private LargeWorld? _world;
    private PolicyCompiler? _compiler;
    private int _serial;

    [ParamsSource(nameof(Namespaces))]
    public Setting? Setting { get; set; }

    /// <summary>Three policies of about one rule and four pods a namespace.</summary>
    public static IEnumerable<Setting> Namespaces =>
        Profile.Current.Namespaces.Select(count => new Setting(string.Empty, count * 3, count * 4, string.Empty));

    [GlobalSetup]
    public void Setup()
    {
        _world = new LargeWorld(Setting!.Rules / 3);
        _changes = [.. _world.Resources.Select(ResourceChange.Upsert)];
        _compiler = new PolicyCompiler(new PolicyOptions());
        _compiler.Apply(_changes);
        _compiler.Flush(1);
    }

    [Benchmark]
    public ChangeSet Everything()
    {
        var compiler = new PolicyCompiler(new PolicyOptions());
        compiler.Apply(_changes);
        return compiler.Flush(1);
    }

    [Benchmark]
    public ChangeSet OneLabel()
    {
        var pod = _world!.Pods[++_serial * 37 % _world.Pods.Count];
        _compiler!.Apply([ResourceChange.Upsert(pod with { Labels = pod.Labels.With("app", _serial % 2 == 0 ? "db" : "front") })]);
        return _compiler.Flush(_serial + 1);
    }
}
