using System.Text;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>Loaded programs by file descriptor.</summary>
internal static unsafe class BpfProgram
{
    /// <summary>Runs a TC program on a frame as if it were on an interface of this network namespace; without a word: on loopback.</summary>
    /// <returns>What the program returned, in the last run.</returns>
    /// <exception cref="BpfException">ENODEV: there is no such interface.</exception>
    public static int Run(int fd, ReadOnlySpan<byte> frame, int repeat = 1, int ifindex = 1)
    {
        // The start of struct __sk_buff, up to ifindex.
        var context = stackalloc uint[11];
        new Span<uint>(context, 11).Clear();
        context[10] = (uint)ifindex;
        fixed (byte* data = frame)
        {
            var opts = new LibBpf.bpf_test_run_opts
            {
                sz = (nuint)sizeof(LibBpf.bpf_test_run_opts),
                data_in = data,
                data_size_in = (uint)frame.Length,
                ctx_in = context,
                ctx_size_in = 11 * sizeof(uint),
                repeat = repeat,
            };
            BpfException.Check(LibBpf.bpf_prog_test_run_opts(fd, &opts), "running a program on a packet");
            return (int)opts.retval;
        }
    }

    /// <summary>
    /// The name of a program by id, at most 15 characters; null when there is no such program any more, or when this process may not
    /// open programs by id: only CAP_SYS_ADMIN may.
    /// </summary>
    public static string? NameOf(uint id)
    {
        var fd = LibBpf.bpf_prog_get_fd_by_id(id);
        if (fd is -LibC.ENOENT or -LibC.EPERM)
        {
            return null;
        }

        using var handle = new FdHandle(BpfException.Check(fd, $"opening program {id}"));
        LibBpf.bpf_prog_info info = default;
        var length = (uint)sizeof(LibBpf.bpf_prog_info);
        BpfException.Check(LibBpf.bpf_obj_get_info_by_fd(handle.Fd, &info, &length), $"reading program {id}");
        ReadOnlySpan<byte> name = info.name;
        return Encoding.ASCII.GetString(name[..Math.Max(0, name.IndexOf((byte)0))]);
    }
}
