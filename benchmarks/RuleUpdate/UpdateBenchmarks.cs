using BenchmarkDotNet.Attributes;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Measuring;
using Portcullis.Benchmarks.Native;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Resources;

namespace Portcullis.Benchmarks.RuleUpdate;

/// <summary>One change, from the resource to the kernel: compiling it and having the datapath enforce it.</summary>
public class UpdateBenchmarks
{
    // Work that the change before left to other threads may fall into one of them.
    private const int Countings = 3;

    // What was called so often the just-in-time compiler compiles for good, once it has been left alone for a while.
    private const int WarmingChanges = 40;

    private static readonly TimeSpan Compiling = TimeSpan.FromSeconds(1);

    private static readonly HashSet<DatapathKind> Warm = [];

    private Bed? _bed;
    private RuleWorld? _world;
    private readonly List<double> _share = [];
    private IReadOnlyList<Resource> _next = [];

    [ParamsSource(nameof(Settings))]
    public Setting? Setting { get; set; }

    public static IEnumerable<Setting> Settings
    {
        get
        {
            foreach (var kind in new[] { DatapathKind.None, DatapathKind.Ebpf, DatapathKind.Iptables }.Where(kind => Bed.Missing(kind) is null))
            {
                foreach (var rules in Profile.Current.Rules.Where(count => count <= Profile.Current.SlowRules || kind != DatapathKind.Iptables))
                {
                    yield return new Setting(kind.Text(), rules, Profile.MiddleAddresses, string.Empty);
                }

                if (Profile.Current.IsFull)
                {
                    yield return new Setting(kind.Text(), 10_000, 100_000, string.Empty);
                }
            }
        }
    }

    /// <remarks>An agent is measured that has run for a while. With iptables nearly all is in programs that are started anew.</remarks>
    [GlobalSetup]
    public async Task Setup()
    {
        (_bed, _world) = Loaded.Get(Setting!);
        if (Setting!.Kind == DatapathKind.Iptables || !Warm.Add(Setting.Kind))
        {
            return;
        }

        for (var change = 0; change < WarmingChanges; change++)
        {
            foreach (var prepare in new[] { PrepareNewPod, PreparePolicy, PrepareLabel })
            {
                prepare();
                Change();
            }
        }

        await Task.Delay(Compiling, TimeProvider.System);
    }

    [IterationSetup(Target = nameof(PodAdded))]
    public void PrepareNewPod() => _next = [_world!.NewPeer()];

    [IterationSetup(Target = nameof(PolicyChanged))]
    public void PreparePolicy() => _next = [_world!.ChangedPolicy()];

    [IterationSetup(Target = nameof(LabelFlipped))]
    public void PrepareLabel() => _next = [_world!.RelabelledPeer()];

    [IterationSetup(Target = nameof(EverythingReplaced))]
    public void PrepareEverything() => _next = _world!.ReplacedPeers();

    [Benchmark]
    public void PodAdded() => Change();

    [Benchmark]
    public void PolicyChanged() => Change();

    [Benchmark]
    public void LabelFlipped() => Change();

    [Benchmark]
    public void EverythingReplaced() => Change();

    [IterationCleanup]
    public void NoteShare() => _share.Add(_bed!.DatapathTime.TotalMicroseconds);

    [GlobalCleanup(Target = nameof(PodAdded))]
    public void CountPod() => Count(nameof(PodAdded), PrepareNewPod);

    [GlobalCleanup(Target = nameof(PolicyChanged))]
    public void CountPolicy() => Count(nameof(PolicyChanged), PreparePolicy);

    [GlobalCleanup(Target = nameof(LabelFlipped))]
    public void CountLabel() => Count(nameof(LabelFlipped), PrepareLabel);

    [GlobalCleanup(Target = nameof(EverythingReplaced))]
    public void CountEverything() => Count(nameof(EverythingReplaced), PrepareEverything);

    private void Change() => _bed!.Change(_next);

    // Beside the clock: some more, counting memory and what the kernel is asked for.
    private void Count(string method, Action prepare)
    {
        var allocated = new List<double>();
        var calls = new List<KernelCallCounts>();
        for (var counting = 0; counting < Countings; counting++)
        {
            prepare();
            var counted = KernelCalls.Count(() =>
            {
                var before = GC.GetTotalAllocatedBytes(precise: true);
                Change();
                allocated.Add(GC.GetTotalAllocatedBytes(precise: true) - before);
            });
            if (counted is not null)
            {
                calls.Add(counted);
            }
        }

        UpdateSuite.Counts[(Setting!, method)] = new UpdateCounts([.. _share.TakeLast(Profile.Current.Iterations)], allocated, calls);
    }
}
