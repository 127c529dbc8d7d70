using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>The two of netfilter's hooks that see every packet: where it came in, and where it is about to leave.</summary>
internal enum NetfilterHook
{
    PreRouting = 0,
    PostRouting = 4,
}

/// <summary>Programs at netfilter's hooks (Linux 6.4), for the whole network namespace of the calling thread.</summary>
internal static unsafe class NetfilterLinks
{
    public const int ProgramType = 32;
    public const int AttachType = 45;

    /// <summary>Families of packets: NFPROTO_IPV4, NFPROTO_IPV6.</summary>
    public static IReadOnlyList<uint> Families { get; } = [2, 10];

    // Ahead of everything usual, defragmentation and connection tracking too.
    private const int FirstPriority = -500;
    private const int LastPriority = -531;

    /// <summary>Lets a program see packets of a family for as long as the link is open.</summary>
    /// <exception cref="BpfException">The kernel refused.</exception>
    public static FdHandle Create(int program, uint family, NetfilterHook hook)
    {
        // The kernel gives each priority of a hook to one program only.
        for (var priority = FirstPriority; ; priority--)
        {
            // The start of union bpf_attr for BPF_LINK_CREATE; libbpf before 1.3 has no way to give its last four.
            var attributes = new LinkAttributes { Program = program, Type = AttachType, Family = family, Hook = (uint)hook, Priority = priority };
            var fd = (int)LibC.syscall(Number(), command: 28, &attributes, sizeof(LinkAttributes));
            if (fd >= 0)
            {
                return new FdHandle(fd);
            }

            if (Marshal.GetLastPInvokeError() is var errno && (errno != LibC.EBUSY || priority == LastPriority))
            {
                throw new BpfException($"attaching to netfilter's hook {hook}", errno);
            }
        }
    }

    // __NR_bpf
    private static nint Number() => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 321,
        Architecture.Arm64 => 280,
        var other => throw new PlatformNotSupportedException($"the number of system call bpf on {other} is not known"),
    };

    [StructLayout(LayoutKind.Sequential)]
    private struct LinkAttributes
    {
        public int Program;
        public int Target;
        public int Type;
        public uint Flags;
        public uint Family;
        public uint Hook;
        public int Priority;
        public uint NetfilterFlags;
    }
}
