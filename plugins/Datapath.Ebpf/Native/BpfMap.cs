namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>Access to a map by system call, for what is not mapped into memory.</summary>
internal static unsafe class BpfMap
{
    public static void Set<TKey, TValue>(int fd, TKey key, TValue value, string what)
        where TKey : unmanaged
        where TValue : unmanaged =>
        BpfException.Check(LibBpf.bpf_map_update_elem(fd, &key, &value, 0), what);

    /// <summary>Sets the values of all processors.</summary>
    public static void SetAll<TKey, TValue>(int fd, TKey key, ReadOnlySpan<TValue> values, string what)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        fixed (TValue* value = values)
        {
            BpfException.Check(LibBpf.bpf_map_update_elem(fd, &key, value, 0), what);
        }
    }

    /// <summary>Whether the key was there.</summary>
    public static bool Delete<TKey>(int fd, TKey key, string what)
        where TKey : unmanaged
    {
        var result = LibBpf.bpf_map_delete_elem(fd, &key);
        if (result == -LibC.ENOENT)
        {
            return false;
        }

        BpfException.Check(result, what);
        return true;
    }

    /// <summary>Reads the next entries of a map; how many, 0 at its end.</summary>
    /// <param name="fd">The map.</param>
    /// <param name="position">Where the last call ended; null before the first.</param>
    /// <param name="keys">Gets the keys.</param>
    /// <param name="values">Gets as many values.</param>
    /// <param name="what">What this is called in an exception.</param>
    public static int ReadBatch<TValue>(int fd, ref uint? position, uint[] keys, TValue[] values, string what)
        where TValue : unmanaged
    {
        var from = position ?? 0;
        var to = 0u;
        var count = (uint)keys.Length;
        fixed (uint* key = keys)
        {
            fixed (TValue* value = values)
            {
                // At the end the kernel says ENOENT beside what it still found.
                var result = LibBpf.bpf_map_lookup_batch(fd, position is null ? null : &from, &to, key, value, &count, null);
                if (result != -LibC.ENOENT)
                {
                    BpfException.Check(result, what);
                }

                position = to;
                return (int)count;
            }
        }
    }

    /// <summary>A counter, summed over processors.</summary>
    public static PcCounter Counter(int fd, uint index)
    {
        Span<PcCounter> processors = new PcCounter[LibBpf.libbpf_num_possible_cpus()];
        Get(fd, index, processors, "reading counters");
        PcCounter sum = default;
        foreach (ref readonly var counter in processors)
        {
            sum.Add(counter);
        }

        return sum;
    }

    /// <summary>Reads the values of all processors into <paramref name="values"/>, or the one value of a plain map.</summary>
    public static void Get<TKey, TValue>(int fd, TKey key, Span<TValue> values, string what)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        fixed (TValue* value = values)
        {
            BpfException.Check(LibBpf.bpf_map_lookup_elem(fd, &key, value), what);
        }
    }
}
