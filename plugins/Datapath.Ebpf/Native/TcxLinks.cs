namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>TCX links, which run before the clsact filters of the same hook. Interfaces are those of the calling thread's network namespace.</summary>
internal static unsafe class TcxLinks
{
    /// <summary>Whether the kernel has TCX. Attaches nothing.</summary>
    /// <param name="program">Any loaded TC program.</param>
    public static bool AreSupported(int program)
    {
        // No interface has this index. A kernel that does not know the attach type says EINVAL before it looks.
        var result = LibBpf.bpf_link_create(program, int.MaxValue, LibBpf.BPF_TCX_INGRESS, null);
        return result switch
        {
            -LibC.ENODEV => true,
            -LibC.EINVAL => false,
            _ => throw new BpfException("probing for TCX", result < 0 ? -result : 0),
        };
    }

    /// <summary>Attaches a program before all others of the hook, for as long as the link is open or pinned.</summary>
    public static FdHandle Create(int ifindex, TcHook hook, int program)
    {
        var opts = new LibBpf.bpf_link_create_opts { sz = (nuint)sizeof(LibBpf.bpf_link_create_opts), flags = LibBpf.BPF_F_BEFORE };
        var fd = LibBpf.bpf_link_create(program, ifindex, TypeOf(hook), &opts);
        return new FdHandle(BpfException.Check(fd, $"attaching to TCX {hook} of interface {ifindex}"));
    }

    /// <summary>The same with a program that leaves every packet to the next, until <see cref="Update"/> gives it another.</summary>
    public static FdHandle CreateIdle(int ifindex, TcHook hook)
    {
        // enum bpf_prog_type; r0 = TCX_NEXT; exit
        const int SchedCls = 3;
        var instructions = stackalloc ulong[] { 0xffffffff000000b7, 0x95 };
        using var idle = new FdHandle(BpfException.Check(LibBpf.bpf_prog_load(SchedCls, "portcullis_idle", "Dual BSD/GPL", instructions, 2, null), "loading a program that leaves every packet to the next"));
        return Create(ifindex, hook, idle.Fd);
    }

    /// <summary>Replaces the program of a link in one step.</summary>
    public static void Update(FdHandle link, int program) =>
        BpfException.Check(LibBpf.bpf_link_update(link.Fd, program, null), "replacing the program of a TCX link");

    /// <summary>Whether a link is attached to any interface still.</summary>
    public static bool IsAttached(FdHandle link) => InfoOf(link).tcx_ifindex != 0;

    /// <summary>Whether a link is attached to a hook of this interface. One that was moved to another namespace takes its links along.</summary>
    public static bool IsOn(FdHandle link, int ifindex, TcHook hook)
    {
        var info = InfoOf(link);
        return info.tcx_ifindex == ifindex && Programs(ifindex, hook).Contains(info.prog_id);
    }

    /// <summary>The id of the program of a link.</summary>
    public static uint ProgramOf(FdHandle link) => InfoOf(link).prog_id;

    public static void Detach(FdHandle link) =>
        BpfException.Check(LibBpf.bpf_link_detach(link.Fd), "detaching a TCX link");

    /// <summary>The ids of the programs of a hook in the order in which they run; none without TCX or interface.</summary>
    public static uint[] Programs(int ifindex, TcHook hook)
    {
        // More than the kernel lets be attached to one hook.
        Span<uint> ids = stackalloc uint[64];
        var count = (uint)ids.Length;
        fixed (uint* first = ids)
        {
            var result = LibBpf.bpf_prog_query(ifindex, TypeOf(hook), 0, null, first, &count);
            if (result is -LibC.ENODEV or -LibC.EINVAL or -LibC.ENOENT)
            {
                return [];
            }

            BpfException.Check(result, $"listing TCX {hook} of interface {ifindex}");
        }

        return ids[..(int)count].ToArray();
    }

    private static LibBpf.bpf_link_info InfoOf(FdHandle link)
    {
        LibBpf.bpf_link_info info = default;
        var length = (uint)sizeof(LibBpf.bpf_link_info);
        BpfException.Check(LibBpf.bpf_obj_get_info_by_fd(link.Fd, &info, &length), "reading a TCX link");
        return info;
    }

    private static int TypeOf(TcHook hook) => hook == TcHook.Ingress ? LibBpf.BPF_TCX_INGRESS : LibBpf.BPF_TCX_EGRESS;
}
