using Portcullis.Net;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

/// <summary>A packet's walk through the tables, one dependent load at a time, as the kernel program does it.</summary>
internal sealed unsafe class TableReader(KernelTables tables, uint row, IpAddress address, uint transport, ushort port)
{
    private Func<TableReader, bool> _next = static reader => reader.ReadRoot();
    private uint _reference;
    private int _level;
    private uint _page;
    private uint _verdict;

    public IpAddress Address => address;

    public uint Verdict => _verdict;

    /// <summary>The verdict by the tables as they are now.</summary>
    public static uint Judge(KernelTables tables, uint row, IpAddress address, uint transport, ushort port)
    {
        var reader = new TableReader(tables, row, address, transport, port);
        reader.Finish();
        return reader.Verdict;
    }

    /// <summary>Takes one step; true when the verdict is known.</summary>
    public bool Step() => _next(this);

    public void Finish()
    {
        for (var steps = 0; !Step(); steps++)
        {
            if (steps > 100)
            {
                throw new InvalidOperationException($"the walk for {address} does not end");
            }
        }
    }

    private bool ReadRoot()
    {
        if (address.Family == IpFamily.IPv4)
        {
            _reference = Volatile.Read(ref tables.Root4[(uint)address.Bits >> 16]);
            _level = 16;
            _next = static reader => reader.ReadBlock4();
        }
        else
        {
            _reference = Volatile.Read(ref tables.Config->Root6);
            _next = static reader => reader.ReadNode6();
        }

        return false;
    }

    private bool ReadBlock4()
    {
        if (_reference == Reference.Unfit)
        {
            return true;
        }

        if (Reference.IsClass(_reference))
        {
            return ReadRow();
        }

        if (!Reference.IsBlock(_reference) || _level > 24)
        {
            throw new InvalidOperationException($"{address}: reference {_reference:x} at level {_level}");
        }

        var index = ((uint)address.Bits >> (24 - _level)) & 0xff;
        _reference = Volatile.Read(ref tables.Blocks[(Reference.Index(_reference) * 256L) + index]);
        _level += 8;
        return false;
    }

    private bool ReadNode6()
    {
        if (_reference == Reference.Unfit)
        {
            return true;
        }

        if (Reference.IsClass(_reference))
        {
            return ReadRow();
        }

        var node = &tables.Nodes6[Reference.Index(_reference)];
        if (!Reference.IsNode(_reference))
        {
            throw new InvalidOperationException($"{address}: reference {_reference:x} where a node belongs");
        }

        var (high, low) = ((ulong)(address.Bits >> 64), (ulong)address.Bits);
        if ((high & node->MaskHigh) != node->ValueHigh || (low & node->MaskLow) != node->ValueLow)
        {
            _reference = Volatile.Read(ref node->Otherwise);
            return false;
        }

        var next = Volatile.Read(ref node->Next);
        var index = ((node->Low == 1 ? low : high) >> (int)node->Shift) & 0xff;
        if (!Reference.IsBlock(next))
        {
            _reference = next;
            return false;
        }

        _reference = next;
        _next = reader => reader.ReadBlock6(index);
        return false;
    }

    private bool ReadBlock6(ulong index)
    {
        _reference = Volatile.Read(ref tables.Blocks[(Reference.Index(_reference) * 256L) + (long)index]);
        _next = static reader => reader.ReadNode6();
        return false;
    }

    private bool ReadRow()
    {
        _page = Volatile.Read(ref tables.Rows[(row * 256) + (_reference >> 8)]);
        _next = static reader => reader.ReadPage();
        return false;
    }

    private bool ReadPage()
    {
        _verdict = Volatile.Read(ref tables.Pages[(_page * 256L) + (_reference & 0xff)]);
        _next = static reader => reader.ReadPorts();
        return Tables.Verdict.Kind(_verdict) != Tables.Verdict.Ports;
    }

    private bool ReadPorts()
    {
        var header = tables.Ports + Tables.Verdict.Argument(_verdict);
        var key = (transport << 16) | port;
        var (low, high) = (0u, header->Start + 1);
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            (low, high) = header[middle].Start <= key ? (middle, high) : (low, middle);
        }

        _verdict = header[low].Verdict;
        return true;
    }
}
