using System.Buffers.Binary;
using System.Text;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>The two points of an interface a TC program can be attached to.</summary>
internal enum TcHook
{
    Ingress = LibBpf.BPF_TC_INGRESS,
    Egress = LibBpf.BPF_TC_EGRESS,
}

/// <summary>A filter on a hook.</summary>
/// <param name="Priority">Its priority.</param>
/// <param name="Handle">Its handle.</param>
/// <param name="Program">What it was named after when it was attached: the program and its number; empty: not an eBPF filter.</param>
/// <param name="ProgramId">The program's id; 0: not an eBPF filter.</param>
internal readonly record struct TcFilter(uint Priority, uint Handle, string Program, uint ProgramId);

/// <summary>clsact filters. Everything is about the network namespace of the calling thread.</summary>
internal static unsafe class TcFilters
{
    private const uint HandleIngress = 0xfffffff2;
    private const uint HandleEgress = 0xfffffff3;

    /// <summary>Makes sure that the interface has a clsact qdisc; whether this call created it.</summary>
    public static bool CreateQdisc(int ifindex)
    {
        var hook = Hook(ifindex, LibBpf.BPF_TC_INGRESS | LibBpf.BPF_TC_EGRESS);
        var result = LibBpf.bpf_tc_hook_create(&hook);
        if (result == -LibC.EEXIST)
        {
            return false;
        }

        BpfException.Check(result, $"adding a clsact qdisc to interface {ifindex}");
        return true;
    }

    /// <summary>Removes the clsact qdisc with all its filters.</summary>
    public static void RemoveQdisc(int ifindex)
    {
        var hook = Hook(ifindex, LibBpf.BPF_TC_INGRESS | LibBpf.BPF_TC_EGRESS);
        CheckUnlessGone(LibBpf.bpf_tc_hook_destroy(&hook), $"removing the clsact qdisc of interface {ifindex}");
    }

    /// <summary>Attaches a program, or replaces the program of the filter that has this priority and handle, in one step.</summary>
    public static void Attach(int ifindex, TcHook point, uint priority, uint handle, int program)
    {
        var hook = Hook(ifindex, (int)point);
        var opts = Opts(priority, handle);
        opts.prog_fd = program;
        opts.flags = LibBpf.BPF_TC_F_REPLACE;
        BpfException.Check(LibBpf.bpf_tc_attach(&hook, &opts), $"attaching to TC {point} of interface {ifindex}");
    }

    /// <summary>Removes a filter if it is there.</summary>
    public static void Detach(int ifindex, TcHook point, uint priority, uint handle)
    {
        var hook = Hook(ifindex, (int)point);
        var opts = Opts(priority, handle);
        CheckUnlessGone(LibBpf.bpf_tc_detach(&hook, &opts), $"detaching from TC {point} of interface {ifindex}");
    }

    /// <summary>Every filter on a hook, whoever put it there; none when interface or qdisc do not exist.</summary>
    public static List<TcFilter> List(int ifindex, TcHook point)
    {
        const ushort GetFilter = 46;
        const ushort NewFilter = 44;
        var filters = new List<TcFilter>();

        // struct tcmsg
        Span<byte> question = stackalloc byte[20];
        question.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(question[4..], ifindex);
        BinaryPrimitives.WriteUInt32LittleEndian(question[12..], point == TcHook.Ingress ? HandleIngress : HandleEgress);
        var operation = $"listing filters of interface {ifindex}";
        var result = Netlink.Dump(Netlink.Route, GetFilter, question, operation, (type, body) =>
        {
            if (type == NewFilter && ReadFilter(body) is { } filter)
            {
                filters.Add(filter);
            }
        });
        CheckUnlessGone(result, operation);
        return filters;
    }

    // Each protocol and priority also has an entry without handle, which stands for the chain and is no filter.
    private static TcFilter? ReadFilter(ReadOnlySpan<byte> message)
    {
        const int TcaOptions = 2;
        const int TcaBpfName = 7;
        const int TcaBpfId = 11;
        var handle = BinaryPrimitives.ReadUInt32LittleEndian(message[8..]);
        if (handle == 0)
        {
            return null;
        }

        var priority = BinaryPrimitives.ReadUInt32LittleEndian(message[16..]) >> 16;
        var options = Netlink.Attribute(message[20..], TcaOptions);
        var id = Netlink.Attribute(options, TcaBpfId);
        return new TcFilter(
            priority,
            handle,
            Encoding.ASCII.GetString(Netlink.Attribute(options, TcaBpfName).TrimEnd((byte)0)),
            id.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(id) : 0);
    }

    // An interface, qdisc or filter that is gone took everything of ours with it.
    private static void CheckUnlessGone(int result, string operation)
    {
        if (result is not (-LibC.ENOENT or -LibC.ENODEV or -LibC.EINVAL))
        {
            BpfException.Check(result, operation);
        }
    }

    private static LibBpf.bpf_tc_hook Hook(int ifindex, int point) =>
        new() { sz = (nuint)sizeof(LibBpf.bpf_tc_hook), ifindex = ifindex, attach_point = point };

    private static LibBpf.bpf_tc_opts Opts(uint priority, uint handle) =>
        new() { sz = (nuint)sizeof(LibBpf.bpf_tc_opts), priority = priority, handle = handle };
}
