namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>Something of the kernel that the programs or their tables need.</summary>
/// <param name="Name">As its users know it.</param>
/// <param name="FirstKernel">The first version that has it.</param>
/// <param name="IsThere">Whether this kernel has it.</param>
internal sealed record KernelFeature(string Name, string FirstKernel, Func<bool> IsThere)
{
    private const int TrafficControl = 3;

    /// <summary>All that is needed, the newest last.</summary>
    public static IReadOnlyList<KernelFeature> Needed { get; } =
    [
        HasMap("BPF arrays of maps", "4.12", type: 12),
        new("memory-mapped BPF arrays", "5.5", HasMappedArrays),
        HasHelper("the BPF helper jiffies64", "5.6", helper: 118),
        HasMap("the BPF ring buffer", "5.8", type: 27),
    ];

    /// <summary>Throws when one is missing.</summary>
    /// <exception cref="FeatureNotSupportedException">The first that is missing.</exception>
    public static void Require(IEnumerable<KernelFeature> features)
    {
        if (features.FirstOrDefault(feature => !feature.IsThere()) is { } missing)
        {
            throw new FeatureNotSupportedException(
                missing.Name, $"this kernel ({Environment.OSVersion.Version}) does not have it: use Linux {missing.FirstKernel} or later, or datapath.plugin=iptables");
        }
    }

    /// <summary>A kind of map.</summary>
    public static KernelFeature HasMap(string name, string firstKernel, int type) =>
        new(name, firstKernel, () => Check(LibBpf.libbpf_probe_bpf_map_type(type, 0), name));

    /// <summary>A function that TC programs may call.</summary>
    public static KernelFeature HasHelper(string name, string firstKernel, int helper) =>
        new(name, firstKernel, () => Check(LibBpf.libbpf_probe_bpf_helper(TrafficControl, helper, 0), name));

    private static bool Check(int result, string name) => BpfException.Check(result, $"looking for {name}") == 1;

    private static unsafe bool HasMappedArrays()
    {
        var opts = new LibBpf.bpf_map_create_opts { sz = (nuint)sizeof(LibBpf.bpf_map_create_opts), map_flags = LibBpf.BPF_F_MMAPABLE };
        var fd = LibBpf.bpf_map_create(LibBpf.BPF_MAP_TYPE_ARRAY, "pc_probe", sizeof(uint), sizeof(ulong), 1, &opts);
        if (fd == -LibC.EINVAL)
        {
            return false;
        }

        using var map = new FdHandle(BpfException.Check(fd, "looking for memory-mapped BPF arrays"));
        return true;
    }
}
