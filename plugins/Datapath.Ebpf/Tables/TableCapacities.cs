namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>The number of entries of each table of a generation.</summary>
internal sealed record TableCapacities(int Endpoints, int Blocks, int Nodes6, int Rows, int Pages, int Ports)
{
    /// <summary>Room for what one machine usually has: about 10 MB.</summary>
    public static readonly TableCapacities Initial = new(Endpoints: 4096, Blocks: 4096, Nodes6: 4096, Rows: 1024, Pages: 4096, Ports: 65536);

    /// <summary>Twice the room in one table; null for a table that cannot grow.</summary>
    public TableCapacities? Grown(string table) => table switch
    {
        "blocks" => this with { Blocks = Blocks * 2 },
        "nodes6" => this with { Nodes6 = Nodes6 * 2 },
        "rows" => this with { Rows = Rows * 2 },
        "pages" => this with { Pages = Pages * 2 },
        "ports" => this with { Ports = Ports * 2 },
        _ => null,
    };
}
