using Portcullis.Datapath.Ebpf.Tables;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>The tables of a loaded object, as the programs read them.</summary>
internal sealed unsafe class MappedTables : KernelTables, IDisposable
{
    private const int PageSize = 256;

    private readonly BpfObject _object;
    private readonly List<MappedTable> _mapped = [];

    public MappedTables(BpfObject loaded)
    {
        _object = loaded;
        Config = (PcConfig*)Map(".data.config");
        Root4 = (uint*)Map(".bss");
        Endpoints = (PcEndpoint*)(Root4 + Pc.Root4Entries);
        Blocks = (uint*)Map("pc_blocks");
        BlockCapacity = loaded.Entries("pc_blocks");
        Nodes6 = (PcNode6*)Map("pc_nodes6");
        Node6Capacity = loaded.Entries("pc_nodes6");
        Rows = (uint*)Map("pc_rows");
        RowCapacity = loaded.ValueSize("pc_rows") / (PageSize * sizeof(uint));
        Pages = (uint*)Map("pc_pages");
        PageCapacity = loaded.Entries("pc_pages");
        Ports = (PcPortEntry*)Map("pc_ports");
        PortCapacity = loaded.Entries("pc_ports");
        RuleCapacity = loaded.Entries("pc_rule_counters");
    }

    /// <summary>By slot, see <see cref="EndpointSlots"/>.</summary>
    public PcEndpoint* Endpoints { get; }

    /// <inheritdoc/>
    public override void WaitForGracePeriod() =>
        BpfMap.Set(_object.MapFd("pc_grace"), 0u, _object.MapFd("pc_grace_slot"), "waiting for running programs to end");

    public void Dispose() => _mapped.ForEach(table => table.Dispose());

    private void* Map(string name)
    {
        var table = _object.Map(name);
        _mapped.Add(table);
        return table.Address;
    }
}
