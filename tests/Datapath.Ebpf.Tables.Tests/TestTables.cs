using System.Runtime.InteropServices;
using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

/// <summary>Tables in plain memory. A grace period is counted and lets whoever is reading finish.</summary>
internal sealed unsafe class TestTables : KernelTables, IDisposable
{
    private readonly List<nint> _memory = [];

    public TestTables(int blocks = 4096, int nodes6 = 4096, int rows = 256, int pages = 4096, int ports = 65536, int rules = 65536)
    {
        (BlockCapacity, Node6Capacity, RowCapacity, PageCapacity, PortCapacity, RuleCapacity) = (blocks, nodes6, rows, pages, ports, rules);
        Root4 = (uint*)Allocate(65536, sizeof(uint));
        Blocks = (uint*)Allocate(blocks, 1024);
        Nodes6 = (PcNode6*)Allocate(nodes6, sizeof(PcNode6));
        Rows = (uint*)Allocate(rows, 1024);
        Pages = (uint*)Allocate(pages, 1024);
        Ports = (PcPortEntry*)Allocate(ports, sizeof(PcPortEntry));
        Config = (PcConfig*)Allocate(1, sizeof(PcConfig));
    }

    public int GracePeriods { get; private set; }

    public Action FinishReaders { get; set; } = () => { };

    public override void WaitForGracePeriod()
    {
        GracePeriods++;
        FinishReaders();
    }

    public void Dispose() => _memory.ForEach(memory => NativeMemory.Free((void*)memory));

    private void* Allocate(int count, int size)
    {
        var memory = NativeMemory.AllocZeroed((nuint)count, (nuint)size);
        _memory.Add((nint)memory);
        return memory;
    }
}
