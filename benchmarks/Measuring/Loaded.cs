using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Worlds;

namespace Portcullis.Benchmarks.Measuring;

/// <summary>
/// The node of the present setting. BenchmarkDotNet runs the cases of one setting after another, each in an object of its own; large
/// worlds need seconds to load.
/// </summary>
internal static class Loaded
{
    private static (Setting Setting, Bed Bed, RuleWorld World)? _current;

    /// <summary>A node with the setting's world in force.</summary>
    public static (Bed Bed, RuleWorld World) Get(Setting setting)
    {
        if (_current is { } current && current.Setting == setting)
        {
            return (current.Bed, current.World);
        }

        Release();
        var world = new RuleWorld(setting.Rules, setting.Addresses);
        var bed = Bed.Create(setting.Kind, setting.Kind is DatapathKind.Ebpf or DatapathKind.Iptables ? world.Pods - 1 : 0);
        bed.Load(world);
        _current = (setting, bed, world);
        return (bed, world);
    }

    /// <summary>Removes it.</summary>
    public static void Release()
    {
        _current?.Bed.Dispose();
        _current = null;
    }
}
