namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>A table of this generation has no room left. What packets see is consistent, but not the change that was asked for.</summary>
internal sealed class TableFullException(string table, int capacity)
    : Exception($"eBPF table {table} is full ({capacity} entries): rebuild in a larger generation")
{
    public string Table { get; } = table;

    public int Capacity { get; } = capacity;
}
