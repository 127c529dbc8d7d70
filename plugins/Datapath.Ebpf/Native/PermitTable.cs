namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>The table of permits, which only the programs fill.</summary>
internal static unsafe class PermitTable
{
    private const uint OwnerMask = 0x00ffffff;
    private const int BatchSize = 1024;

    /// <summary>Takes the permits from owners.</summary>
    /// <remarks>A program that writes into the same bucket at this very moment may lose its permit, as it may to any other flow.</remarks>
    /// <param name="fd">The table.</param>
    /// <param name="isForgotten">Whether an interface index is such an owner.</param>
    public static void Forget(int fd, Predicate<int> isForgotten)
    {
        var keys = new uint[BatchSize];
        var buckets = new PcPermitBucket[BatchSize];
        uint? next = null;
        while (BpfMap.ReadBatch(fd, ref next, keys, buckets, "reading permits") is var count and > 0)
        {
            for (var i = 0; i < count; i++)
            {
                if (Forget(ref buckets[i], isForgotten))
                {
                    BpfMap.Set(fd, keys[i], buckets[i], "forgetting permits");
                }
            }
        }
    }

    private static bool Forget(ref PcPermitBucket bucket, Predicate<int> isForgotten)
    {
        var any = false;
        foreach (ref var permit in (Span<PcPermit>)bucket)
        {
            if (permit.Tag != 0 && isForgotten((int)(permit.Owner & OwnerMask)))
            {
                permit = default;
                any = true;
            }
        }

        return any;
    }
}
