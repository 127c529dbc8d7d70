using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>libbpf 1.x, C names. Functions that return int return -errno; those that return a pointer return null and set errno.</summary>
internal static unsafe partial class LibBpf
{
    private const string Library = "libbpf.so.1";

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint libbpf_set_print(nint print);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int libbpf_num_possible_cpus();

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int libbpf_probe_bpf_map_type(int type, nint opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int libbpf_probe_bpf_helper(int programType, int helper, nint opts);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint bpf_object__open_mem(byte* data, nuint size, void* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_object__load(nint obj);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial void bpf_object__close(nint obj);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint bpf_object__btf(nint obj);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial byte* btf__raw_data(nint btf, uint* size);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint bpf_object__find_program_by_name(nint obj, string name);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint bpf_object__find_map_by_name(nint obj, string name);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint bpf_object__next_program(nint obj, nint program);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint bpf_program__name(nint program);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_program__fd(nint program);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_program__set_log_buf(nint program, byte* buffer, nuint size);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_program__set_type(nint program, int type);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_program__set_expected_attach_type(nint program, int type);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map__fd(nint map);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial uint bpf_map__max_entries(nint map);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial uint bpf_map__value_size(nint map);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map__set_max_entries(nint map, uint entries);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map__set_value_size(nint map, uint size);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map__set_initial_value(nint map, void* data, nuint size);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map_create(uint type, string name, uint keySize, uint valueSize, uint entries, bpf_map_create_opts* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map__reuse_fd(nint map, int fd);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map_update_elem(int fd, void* key, void* value, ulong flags);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map_lookup_elem(int fd, void* key, void* value);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map_lookup_batch(int fd, void* inBatch, void* outBatch, void* keys, void* values, uint* count, void* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_map_delete_elem(int fd, void* key);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_obj_pin(int fd, string path);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_obj_get(string path);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_prog_load(int type, string name, string license, void* instructions, nuint count, void* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_prog_get_fd_by_id(uint id);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_obj_get_info_by_fd(int fd, void* info, uint* length);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_link_create(int program, int target, int attachType, bpf_link_create_opts* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_link_update(int link, int program, void* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_link_detach(int link);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_prog_query(int target, int attachType, uint queryFlags, uint* attachFlags, uint* programs, uint* count);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_prog_test_run_opts(int fd, bpf_test_run_opts* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_tc_hook_create(bpf_tc_hook* hook);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_tc_hook_destroy(bpf_tc_hook* hook);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_tc_attach(bpf_tc_hook* hook, bpf_tc_opts* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_tc_detach(bpf_tc_hook* hook, bpf_tc_opts* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int bpf_tc_query(bpf_tc_hook* hook, bpf_tc_opts* opts);

    [LibraryImport(Library, SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial nint ring_buffer__new(int fd, delegate* unmanaged[Cdecl]<void*, void*, nuint, int> sample, void* context, void* opts);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial int ring_buffer__poll(nint ring, int milliseconds);

    [LibraryImport(Library), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    public static partial void ring_buffer__free(nint ring);

    /// <summary>The start of struct bpf_map_info; the kernel fills no more than it is given room for.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_map_info
    {
        public uint type;
        public uint id;
        public uint key_size;
        public uint value_size;
        public uint max_entries;
        public uint map_flags;
    }

    public const uint BPF_MAP_TYPE_ARRAY = 2;
    public const uint BPF_F_MMAPABLE = 1 << 10;

    public const int BPF_TCX_INGRESS = 46;
    public const int BPF_TCX_EGRESS = 47;
    public const uint BPF_F_BEFORE = 1 << 3;

    public const int BPF_TC_INGRESS = 1;
    public const int BPF_TC_EGRESS = 2;
    public const uint BPF_TC_F_REPLACE = 1;

    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_map_create_opts
    {
        public nuint sz;
        public uint btf_fd;
        public uint btf_key_type_id;
        public uint btf_value_type_id;
        public uint btf_vmlinux_value_type_id;
        public uint inner_map_fd;
        public uint map_flags;
        public ulong map_extra;
        public uint numa_node;
        public uint map_ifindex;
    }

    /// <summary>The start of struct bpf_link_create_opts.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_link_create_opts
    {
        public nuint sz;
        public uint flags;
        public uint Pad;
    }

    /// <summary>The start of struct bpf_link_info of a TCX link; the kernel fills no more than it is given room for.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_link_info
    {
        public uint type;
        public uint id;
        public uint prog_id;
        public uint Pad;
        public uint tcx_ifindex;
        public uint tcx_attach_type;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_tc_hook
    {
        public nuint sz;
        public int ifindex;
        public int attach_point;
        public uint parent;
        public uint Pad;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_tc_opts
    {
        public nuint sz;
        public int prog_fd;
        public uint flags;
        public uint prog_id;
        public uint handle;
        public uint priority;
        public uint Pad;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_test_run_opts
    {
        public nuint sz;
        public void* data_in;
        public void* data_out;
        public uint data_size_in;
        public uint data_size_out;
        public void* ctx_in;
        public void* ctx_out;
        public uint ctx_size_in;
        public uint ctx_size_out;
        public uint retval;
        public int repeat;
        public uint duration;
        public uint flags;
        public uint cpu;
        public uint batch_size;
    }

    /// <summary>The start of struct bpf_prog_info; the kernel fills no more than it is given room for.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_prog_info
    {
        public uint type;
        public uint id;
        public ulong tag;
        public uint jited_prog_len;
        public uint xlated_prog_len;
        public ulong jited_prog_insns;
        public ulong xlated_prog_insns;
        public ulong load_time;
        public uint created_by_uid;
        public uint nr_map_ids;
        public ulong map_ids;
        public ProgramName name;
    }

    /// <summary>BPF_OBJ_NAME_LEN bytes, zero-terminated.</summary>
    [InlineArray(16)]
    internal struct ProgramName
    {
        private byte _first;
    }
}
