using System.Security.Cryptography;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;

namespace Portcullis.Datapath.Ebpf;

/// <summary>One complete set of programs and tables. Packets use it once its programs are attached.</summary>
internal sealed unsafe class EbpfGeneration : IDisposable
{
    private readonly BpfObject _object;
    private readonly MappedTables _tables;
    private readonly EndpointSlots _slots = new();

    private EbpfGeneration(BpfObject loaded)
    {
        _object = loaded;
        _tables = new MappedTables(loaded);
    }

    public MappedTables Tables => _tables;

    public int IngressProgram => _object.ProgramFd("portcullis_tc_ingress");

    public int EgressProgram => _object.ProgramFd("portcullis_tc_egress");

    /// <summary>Loads programs and empty tables, with the permits that an earlier generation left.</summary>
    /// <param name="capacities">Table sizes.</param>
    /// <param name="flags">Settings.</param>
    /// <param name="paths">Where the permits of an earlier generation may be pinned; null: none.</param>
    /// <param name="events">The ring of an earlier generation of this process; null: a new one.</param>
    public static EbpfGeneration Load(TableCapacities capacities, PcConfigFlags flags, EbpfPaths? paths, int? events = null)
    {
        var opened = BpfObject.Open("policy.bpf.o");
        try
        {
            opened.CreateZero(".bss");
            opened.SetConstants(".rodata", new PcConstants { RowMask = (uint)capacities.Rows - 1, TickShift = TickShift() });
            opened.Resize("pc_blocks", capacities.Blocks);
            opened.Resize("pc_nodes6", capacities.Nodes6);
            opened.ResizeValue("pc_rows", capacities.Rows * 1024);
            opened.Resize("pc_pages", capacities.Pages);
            opened.Resize("pc_ports", capacities.Ports);
            opened.Resize("pc_rule_counters", capacities.Rules);
            using var permits = TryOpen(opened, "pc_permits", paths?.Permits);
            using var config = TryOpen(opened, ".data.config", paths?.Config);
            var seed = config is null ? NewSeed() : SeedOf(config);
            if (permits is not null && config is not null)
            {
                opened.Reuse("pc_permits", permits.Fd);
            }

            if (events is { } ring)
            {
                opened.Reuse("pc_events", ring);
            }

            opened.Load();
            var generation = new EbpfGeneration(opened);
            *generation._tables.Config = new PcConfig { Layout = Pc.LayoutVersion, Flags = (uint)flags, Seed = seed };
            return generation;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>The permits; valid as long as this generation.</summary>
    public int PermitsFd => _object.MapFd("pc_permits");

    /// <summary>The ring of events; valid as long as this generation.</summary>
    public int EventsFd => _object.MapFd("pc_events");

    /// <summary>Lets the programs send so many events until the next call; null: none, and it costs nothing.</summary>
    public void AllowEvents(uint? count)
    {
        var config = _tables.Config;
        config->EventTokens = count ?? 0;
        var flags = (PcConfigFlags)config->Flags & ~PcConfigFlags.Events;
        Volatile.Write(ref config->Flags, (uint)(count is null ? flags : flags | PcConfigFlags.Events));
    }

    /// <summary>Keeps what the next process needs, and drops what an agent of another layout kept.</summary>
    public void Pin(EbpfPaths paths)
    {
        // Without its seeds a permit table is useless, with the wrong ones it is only stale: permits first.
        BpfPin.Replace(PermitsFd, paths.Permits);
        BpfPin.Replace(_object.MapFd(".data.config"), paths.Config);
        foreach (var other in paths.OfOtherLayouts())
        {
            File.Delete(other);
        }
    }

    /// <summary>Endpoints in the table.</summary>
    public int Endpoints => _slots.Count;

    /// <summary>Whether an interface is in the table.</summary>
    public bool Has(int ifindex) => _slots.Has(ifindex);

    /// <summary>The endpoint of an interface that is in the table.</summary>
    public PcEndpoint* EndpointOf(int ifindex) => _tables.Endpoints + _slots[ifindex];

    /// <summary>Writes what the programs know of an interface; false: no room, so they let nothing pass there.</summary>
    public bool SetEndpoint(InterfacePlan plan, InterfacePlan? before)
    {
        if (_slots.Take(plan.Ifindex, _tables.WaitForGracePeriod) is not { } slot)
        {
            return false;
        }

        var further = plan.FurtherAddresses().ToHashSet();
        foreach (var address in further)
        {
            BpfMap.Set(_object.MapFd("pc_own_addrs"), KeyOf(plan.Ifindex, address), (byte)1, $"noting address {address} of {plan.Name}");
        }

        var entry = _tables.Endpoints + slot;
        if (plan.Flags.HasFlag(PcEndpointFlags.Closed))
        {
            Volatile.Write(ref entry->Flags, (uint)plan.Flags);
        }

        if (before?.Link != plan.Link)
        {
            entry->Heal = 0;
        }

        entry->Ifindex = (uint)plan.Ifindex;
        entry->Ip4Be = plan.FirstIp4Be();
        entry->Ip6 = plan.FirstIp6();
        Volatile.Write(ref entry->Rows, plan.Rows);
        Volatile.Write(ref entry->Flags, (uint)plan.Flags);
        if (EndpointSlots.IsFar(slot))
        {
            BpfMap.Set(_object.MapFd("pc_far_slots"), (uint)plan.Ifindex, (uint)slot, $"noting the slot of {plan.Name}");
        }

        foreach (var address in before?.FurtherAddresses() ?? [])
        {
            if (!further.Contains(address))
            {
                BpfMap.Delete(_object.MapFd("pc_own_addrs"), KeyOf(plan.Ifindex, address), $"forgetting address {address} of {plan.Name}");
            }
        }

        return true;
    }

    /// <summary>Forgets an interface whose programs are detached.</summary>
    public void ClearEndpoint(InterfacePlan plan)
    {
        if (!_slots.Has(plan.Ifindex))
        {
            return;
        }

        if (EndpointSlots.IsFar(_slots[plan.Ifindex]))
        {
            BpfMap.Delete(_object.MapFd("pc_far_slots"), (uint)plan.Ifindex, $"forgetting the slot of {plan.Name}");
        }

        *EndpointOf(plan.Ifindex) = default;
        _slots.Return(plan.Ifindex);
        foreach (var address in plan.FurtherAddresses())
        {
            BpfMap.Delete(_object.MapFd("pc_own_addrs"), KeyOf(plan.Ifindex, address), $"forgetting address {address} of {plan.Name}");
        }
    }

    /// <summary>Takes the permits from interfaces of which <paramref name="isGone"/> says so: what gets their index next shall not have them.</summary>
    public void ForgetPermits(Predicate<int> isGone) => PermitTable.Forget(PermitsFd, isGone);

    /// <summary>Adds this generation's counters, summed over processors, to <paramref name="sums"/> of <see cref="Pc.Counters"/> entries.</summary>
    public void AddCounters(Span<PcCounter> sums)
    {
        for (var i = 0; i < Pc.Counters; i++)
        {
            sums[i].Add(Counter(i));
        }
    }

    /// <summary>One counter, summed over processors.</summary>
    public PcCounter Counter(int index) => BpfMap.Counter(_object.MapFd("pc_counters"), (uint)index);

    /// <summary>What a rule's number has decided, summed over processors.</summary>
    public PcRulePackets RuleCounter(uint number)
    {
        PcRulePackets sum = default;
        Span<PcRuleCounter> processors = new PcRuleCounter[LibBpf.libbpf_num_possible_cpus()];
        BpfMap.Get(_object.MapFd("pc_rule_counters"), number, processors, "reading a rule's counter");
        foreach (ref readonly var counter in processors)
        {
            for (var fate = 0; fate < 3; fate++)
            {
                sum[fate] += counter.Packets[fate];
            }
        }

        return sum;
    }

    /// <summary>Reads and clears the counter of a number that decides no packet now.</summary>
    public PcRulePackets TakeRuleCounter(uint number)
    {
        var sum = RuleCounter(number);
        BpfMap.SetAll(_object.MapFd("pc_rule_counters"), number, new PcRuleCounter[LibBpf.libbpf_num_possible_cpus()], "clearing a rule's counter");
        return sum;
    }

    public void Dispose()
    {
        _tables.Dispose();
        _object.Dispose();
    }

    private static FdHandle? TryOpen(BpfObject opened, string map, string? pin)
    {
        var existing = pin is null ? null : BpfPin.TryOpen(pin, BpfPinKind.Map);
        if (existing is not null && !opened.Fits(map, existing.Fd))
        {
            existing.Dispose();
            throw new ForeignPinException(pin!);
        }

        return existing;
    }

    private static PcSeed NewSeed()
    {
        PcSeed seed = default;
        Span<uint> words = seed;
        RandomNumberGenerator.Fill(System.Runtime.InteropServices.MemoryMarshal.AsBytes(words));
        return seed;
    }

    // The coarse clocks advance once a jiffy.
    private static uint TickShift()
    {
        LibC.Timespec resolution = default;
        if (LibC.clock_getres(LibC.CLOCK_MONOTONIC_COARSE, &resolution) != 0)
        {
            throw new BpfException("reading the kernel's tick", System.Runtime.InteropServices.Marshal.GetLastPInvokeError());
        }

        return (uint)Math.Round(Math.Log2(1e9 / resolution.tv_nsec));
    }

    private static PcSeed SeedOf(FdHandle config)
    {
        Span<PcConfig> value = stackalloc PcConfig[1];
        BpfMap.Get(config.Fd, 0u, value, "reading the configuration of the previous generation");
        return value[0].Seed;
    }

    private static PcOwnAddressKey KeyOf(int ifindex, Net.IpAddress address)
    {
        var key = new PcOwnAddressKey { Ifindex = (uint)ifindex };
        if (address.Family == Net.IpFamily.IPv4)
        {
            key.Address[10] = key.Address[11] = 0xff;
            address.WriteNetworkOrder(key.Address[12..]);
        }
        else
        {
            address.WriteNetworkOrder(key.Address);
        }

        return key;
    }
}
