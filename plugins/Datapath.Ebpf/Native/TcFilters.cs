using System.Buffers.Binary;
using System.Runtime.InteropServices;
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
internal readonly record struct TcFilter(uint Priority, uint Handle, string Program);

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
        var filters = new List<TcFilter>();
        using var socket = new FdHandle(LibC.socket(domain: 16, type: 3 | 0x80000, protocol: 0));
        if (socket.IsInvalid)
        {
            throw new BpfException("opening a netlink socket", Marshal.GetLastPInvokeError());
        }

        // struct nlmsghdr, then struct tcmsg.
        Span<byte> request = stackalloc byte[36];
        request.Clear();
        const ushort GetFilter = 46;
        const ushort RequestDump = 0x1 | 0x300;
        BinaryPrimitives.WriteInt32LittleEndian(request, request.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(request[4..], GetFilter);
        BinaryPrimitives.WriteUInt16LittleEndian(request[6..], RequestDump);
        BinaryPrimitives.WriteInt32LittleEndian(request[20..], ifindex);
        BinaryPrimitives.WriteUInt32LittleEndian(request[28..], point == TcHook.Ingress ? HandleIngress : HandleEgress);
        fixed (byte* data = request)
        {
            if (LibC.send(socket.Fd, data, (nuint)request.Length, 0) < 0)
            {
                throw new BpfException($"listing filters of interface {ifindex}", Marshal.GetLastPInvokeError());
            }
        }

        var buffer = new byte[32768];
        while (Receive(socket.Fd, buffer, ifindex) is var length && ReadMessages(buffer.AsSpan(0, length), ifindex, filters))
        {
        }

        return filters;
    }

    private static int Receive(int fd, byte[] buffer, int ifindex)
    {
        fixed (byte* data = buffer)
        {
            var length = LibC.recv(fd, data, (nuint)buffer.Length, 0);
            return length >= 0
                ? (int)length
                : throw new BpfException($"listing filters of interface {ifindex}", Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Whether more messages follow.</summary>
    private static bool ReadMessages(ReadOnlySpan<byte> data, int ifindex, List<TcFilter> filters)
    {
        const int Done = 3;
        const int Error = 2;
        const int NewFilter = 44;
        while (data.Length >= 16)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(data);
            switch (BinaryPrimitives.ReadUInt16LittleEndian(data[4..]))
            {
                case Done:
                    return false;
                case Error:
                    CheckUnlessGone(BinaryPrimitives.ReadInt32LittleEndian(data[16..]), $"listing filters of interface {ifindex}");
                    return false;
                case NewFilter when ReadFilter(data[16..length]) is { } filter:
                    filters.Add(filter);
                    break;
            }

            data = data[Math.Min(data.Length, (length + 3) & ~3)..];
        }

        return true;
    }

    // Each protocol and priority also has an entry without handle, which stands for the chain and is no filter.
    private static TcFilter? ReadFilter(ReadOnlySpan<byte> message)
    {
        const int TcaOptions = 2;
        const int TcaBpfName = 7;
        var handle = BinaryPrimitives.ReadUInt32LittleEndian(message[8..]);
        if (handle == 0)
        {
            return null;
        }

        var priority = BinaryPrimitives.ReadUInt32LittleEndian(message[16..]) >> 16;
        var options = Attribute(message[20..], TcaOptions);
        return new TcFilter(priority, handle, Encoding.ASCII.GetString(Attribute(options, TcaBpfName).TrimEnd((byte)0)));
    }

    private static ReadOnlySpan<byte> Attribute(ReadOnlySpan<byte> attributes, int type)
    {
        while (attributes.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            if (length < 4 || length > attributes.Length)
            {
                break;
            }

            if ((BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]) & 0x3fff) == type)
            {
                return attributes[4..length];
            }

            attributes = attributes[Math.Min(attributes.Length, (length + 3) & ~3)..];
        }

        return [];
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
