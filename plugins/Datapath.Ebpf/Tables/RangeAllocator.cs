namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>Hands out runs of adjacent entries, first fit. A run that was unlinked is free again after a grace period.</summary>
internal sealed class RangeAllocator : IRetirement
{
    private readonly string _table;
    private readonly int _capacity;
    private readonly GracePeriods _gracePeriods;
    private readonly List<(int Start, int Length)> _free;
    private readonly List<(int Start, int Length)> _retired = [];
    private int _retiredEntries;

    public RangeAllocator(string table, int capacity, GracePeriods gracePeriods)
    {
        _table = table;
        _capacity = capacity;
        _gracePeriods = gracePeriods;
        _free = [(0, capacity)];
        gracePeriods.Register(this);
    }

    /// <summary>Entries in use, retired ones included.</summary>
    public int Used { get; private set; }

    public int Capacity => _capacity;

    public bool IsInitial => Used == 0 && _free is [(0, var length)] && length == _capacity;

    public double RetiredShare => (double)_retiredEntries / _capacity;

    /// <summary>The first of <paramref name="length"/> adjacent entries that nobody sees.</summary>
    /// <exception cref="TableFullException">No such run is left, not even after a grace period.</exception>
    public int Allocate(int length)
    {
        if (TryAllocate(length, out var start))
        {
            return start;
        }

        if (_retired.Count > 0)
        {
            _gracePeriods.Reclaim();
        }

        return TryAllocate(length, out start) ? start : throw new TableFullException(_table, _capacity);
    }

    /// <summary>Takes back a run that is unlinked but that packets may still be reading.</summary>
    public void Retire(int start, int length)
    {
        _retired.Add((start, length));
        _retiredEntries += length;
    }

    public void Recycle()
    {
        foreach (var (start, length) in _retired)
        {
            Free(start, length);
        }

        _retired.Clear();
        _retiredEntries = 0;
    }

    private bool TryAllocate(int length, out int start)
    {
        var index = _free.FindIndex(run => run.Length >= length);
        start = index < 0 ? -1 : _free[index].Start;
        if (index < 0)
        {
            return false;
        }

        if (_free[index].Length == length)
        {
            _free.RemoveAt(index);
        }
        else
        {
            _free[index] = (start + length, _free[index].Length - length);
        }

        Used += length;
        return true;
    }

    private void Free(int start, int length)
    {
        Used -= length;
        var index = ~_free.BinarySearch((start, length));
        if (index < _free.Count && start + length == _free[index].Start)
        {
            length += _free[index].Length;
            _free.RemoveAt(index);
        }

        if (index > 0 && _free[index - 1].Start + _free[index - 1].Length == start)
        {
            _free[index - 1] = (_free[index - 1].Start, _free[index - 1].Length + length);
        }
        else
        {
            _free.Insert(index, (start, length));
        }
    }
}
