using System.Runtime.InteropServices;
using System.Text;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>An embedded object file: opened, sized, loaded; then its programs and maps by name.</summary>
internal sealed unsafe class BpfObject : IDisposable
{
    public const string NeededPrivileges = "needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; before Linux 5.11 also CAP_SYS_RESOURCE or unlimited locked memory";

    /// <summary>The most that kernels before 5.2 take. Memory is only used where something is written.</summary>
    private const int LogSize = (1 << 24) - 1;

    private readonly BpfObjectHandle _handle;
    private readonly string _name;

    private BpfObject(BpfObjectHandle handle, string name) => (_handle, _name) = (handle, name);

    /// <summary>Opens an embedded object; nothing is in the kernel yet.</summary>
    /// <exception cref="FeatureNotSupportedException">libbpf is missing.</exception>
    public static BpfObject Open(string resource)
    {
        using var stream = typeof(BpfObject).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"resource {resource} is not in this assembly");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return Open(bytes, resource);
    }

    /// <summary>Opens an object; nothing is in the kernel yet.</summary>
    /// <exception cref="FeatureNotSupportedException">libbpf is missing.</exception>
    public static BpfObject Open(byte[] bytes, string name)
    {
        try
        {
            // Without this libbpf prints to stderr; what it says of programs comes through their log.
            LibBpf.libbpf_set_print(0);
            fixed (byte* data = bytes)
            {
                var obj = LibBpf.bpf_object__open_mem(data, (nuint)bytes.Length, null);
                return obj != 0
                    ? new BpfObject(new BpfObjectHandle(obj), name)
                    : throw new BpfException($"opening {name}", Marshal.GetLastPInvokeError());
            }
        }
        catch (DllNotFoundException)
        {
            throw new FeatureNotSupportedException("libbpf.so.1", "install libbpf 1.x: apt-get install libbpf1");
        }
    }

    /// <summary>The type information of the object.</summary>
    public byte[] Btf()
    {
        uint size;
        var data = LibBpf.btf__raw_data(LibBpf.bpf_object__btf(_handle.DangerousGetHandle()), &size);
        return new ReadOnlySpan<byte>(data, (int)size).ToArray();
    }

    /// <summary>Sets the number of entries of a map. Before <see cref="Load"/>.</summary>
    public void Resize(string map, int entries) =>
        BpfException.Check(LibBpf.bpf_map__set_max_entries(FindMap(map), (uint)entries), $"sizing table {map}");

    /// <summary>Sets the size of a map's values. Before <see cref="Load"/>.</summary>
    public void ResizeValue(string map, int size) =>
        BpfException.Check(LibBpf.bpf_map__set_value_size(FindMap(map), (uint)size), $"sizing table {map}");

    /// <summary>Sets the whole content of a section of constants. Before <see cref="Load"/>.</summary>
    public void SetConstants<T>(string section, T value)
        where T : unmanaged =>
        BpfException.Check(LibBpf.bpf_map__set_initial_value(FindMap(section), &value, (nuint)sizeof(T)), $"setting {section}");

    /// <summary>
    /// Creates the map of a section that is all zero. Left to libbpf, its zeros would be copied into the kernel, which
    /// kernels before 5.16 do by way of one contiguous piece of memory. Before <see cref="Load"/>.
    /// </summary>
    public void CreateZero(string section)
    {
        var map = FindMap(section);
        var opts = new LibBpf.bpf_map_create_opts { sz = (nuint)sizeof(LibBpf.bpf_map_create_opts), map_flags = LibBpf.BPF_F_MMAPABLE };
        var fd = LibBpf.bpf_map_create(LibBpf.BPF_MAP_TYPE_ARRAY, "pc_direct", sizeof(uint), LibBpf.bpf_map__value_size(map), 1, &opts);
        if (fd == -LibC.EINVAL)
        {
            KernelFeature.Require(KernelFeature.Needed);
        }

        using var handle = new FdHandle(BpfException.Check(fd, $"creating {section}"));
        Reuse(section, handle.Fd);
    }

    /// <summary>Says of what kind the programs are, where libbpf does not know it from their section. Before <see cref="Load"/>.</summary>
    /// <param name="type">enum bpf_prog_type.</param>
    /// <param name="attachType">enum bpf_attach_type.</param>
    public void SetKind(int type, int attachType)
    {
        foreach (var program in Programs())
        {
            BpfException.Check(LibBpf.bpf_program__set_type(program, type), "setting a program's type");
            BpfException.Check(LibBpf.bpf_program__set_expected_attach_type(program, attachType), "setting where a program belongs");
        }
    }

    /// <summary>Uses an existing map instead of creating one. Before <see cref="Load"/>.</summary>
    public void Reuse(string map, int existing) =>
        BpfException.Check(LibBpf.bpf_map__reuse_fd(FindMap(map), existing), $"reusing table {map}");

    /// <summary>Whether an existing map is an array of the same shape as one of this object.</summary>
    public bool Fits(string map, int existing)
    {
        LibBpf.bpf_map_info info = default;
        var length = (uint)sizeof(LibBpf.bpf_map_info);
        BpfException.Check(LibBpf.bpf_obj_get_info_by_fd(existing, &info, &length), $"reading what may be table {map}");
        return info.type == LibBpf.BPF_MAP_TYPE_ARRAY && info.value_size == ValueSize(map) && info.max_entries == Entries(map);
    }

    /// <summary>Creates the maps and has the kernel verify the programs.</summary>
    /// <exception cref="BpfLoadException">A program was refused.</exception>
    /// <exception cref="BpfException">A map was refused.</exception>
    /// <exception cref="FeatureNotSupportedException">The kernel lacks something, or this process a privilege.</exception>
    public void Load()
    {
        var programs = Programs();
        var log = (byte*)NativeMemory.AllocZeroed((nuint)programs.Count, LogSize);
        try
        {
            for (var i = 0; i < programs.Count; i++)
            {
                BpfException.Check(LibBpf.bpf_program__set_log_buf(programs[i], log + (i * LogSize), LogSize), "setting a log buffer");
            }

            var result = LibBpf.bpf_object__load(_handle.DangerousGetHandle());
            if (result < 0)
            {
                ThrowLoadFailure(programs, log, -result);
            }
        }
        finally
        {
            // libbpf keeps the pointers but reads them only while it loads.
            NativeMemory.Free(log);
        }
    }

    public int ProgramFd(string name)
    {
        var program = LibBpf.bpf_object__find_program_by_name(_handle.DangerousGetHandle(), name);
        return program != 0
            ? LibBpf.bpf_program__fd(program)
            : throw new InvalidOperationException($"program {name} is not in {_name}");
    }

    public int MapFd(string name) => LibBpf.bpf_map__fd(FindMap(name));

    public int Entries(string map) => (int)LibBpf.bpf_map__max_entries(FindMap(map));

    public int ValueSize(string map) => (int)LibBpf.bpf_map__value_size(FindMap(map));

    /// <summary>Maps the memory of an mmapable map.</summary>
    public MappedTable Map(string name)
    {
        var map = FindMap(name);
        var length = (nuint)LibBpf.bpf_map__max_entries(map) * LibBpf.bpf_map__value_size(map);
        return new MappedTable(name, LibBpf.bpf_map__fd(map), length);
    }

    public void Dispose() => _handle.Dispose();

    private nint FindMap(string name)
    {
        var map = LibBpf.bpf_object__find_map_by_name(_handle.DangerousGetHandle(), name);
        return map != 0 ? map : throw new InvalidOperationException($"map {name} is not in {_name}");
    }

    private List<nint> Programs()
    {
        var programs = new List<nint>();
        for (var program = LibBpf.bpf_object__next_program(_handle.DangerousGetHandle(), 0);
             program != 0;
             program = LibBpf.bpf_object__next_program(_handle.DangerousGetHandle(), program))
        {
            programs.Add(program);
        }

        return programs;
    }

    private void ThrowLoadFailure(List<nint> programs, byte* log, int errno)
    {
        if (errno == LibC.EPERM)
        {
            throw new FeatureNotSupportedException("eBPF", NeededPrivileges);
        }

        KernelFeature.Require(KernelFeature.Needed);
        for (var i = 0; i < programs.Count; i++)
        {
            var text = new ReadOnlySpan<byte>(log + (i * LogSize), LogSize);
            text = text[..Math.Max(0, text.IndexOf((byte)0))];
            if (!text.IsEmpty)
            {
                var name = Marshal.PtrToStringUTF8(LibBpf.bpf_program__name(programs[i])) ?? "?";
                throw new BpfLoadException(name, errno, Encoding.UTF8.GetString(text));
            }
        }

        throw new BpfException($"loading {_name} into the kernel", errno);
    }
}
