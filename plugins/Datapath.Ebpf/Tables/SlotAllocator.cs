namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>Something whose retired entries become free once a grace period has passed.</summary>
internal interface IRetirement
{
    /// <summary>How much is retired, as a share of the table.</summary>
    double RetiredShare { get; }

    /// <summary>Makes what is retired free: a grace period has passed.</summary>
    void Recycle();
}

/// <summary>Turns retired entries of all tables into free ones, one grace period for all.</summary>
internal sealed class GracePeriods(KernelTables tables)
{
    private readonly List<IRetirement> _tables = [];

    public void Register(IRetirement table) => _tables.Add(table);

    /// <summary>Waits until no packet can see any retired entry and frees them all.</summary>
    public void Reclaim()
    {
        tables.WaitForGracePeriod();
        Recycle();
    }

    /// <summary>Frees all retired entries: the caller has waited since the last of them was retired.</summary>
    public void Recycle() => _tables.ForEach(table => table.Recycle());

    /// <summary>Reclaims when enough is retired to be worth the wait.</summary>
    public void ReclaimIfMuch()
    {
        if (_tables.Exists(table => table.RetiredShare > 0.25))
        {
            Reclaim();
        }
    }
}

/// <summary>Hands out the entries of a table one by one. An entry that was unlinked is handed out again after a grace period.</summary>
internal sealed class SlotAllocator : IRetirement
{
    private readonly string _table;
    private readonly int _first;
    private readonly int _capacity;
    private readonly GracePeriods _gracePeriods;
    private readonly Stack<int> _free = [];
    private readonly List<int> _retired = [];
    private int _next;

    /// <param name="table">Its name, for errors.</param>
    /// <param name="first">The first entry to hand out; those before are the owner's.</param>
    /// <param name="capacity">The number of entries, including those before <paramref name="first"/>.</param>
    /// <param name="gracePeriods">Where to wait.</param>
    public SlotAllocator(string table, int first, int capacity, GracePeriods gracePeriods)
    {
        _table = table;
        _first = first;
        _next = first;
        _capacity = capacity;
        _gracePeriods = gracePeriods;
        gracePeriods.Register(this);
    }

    /// <summary>Entries in use, the owner's and retired ones included.</summary>
    public int Used => _next - _free.Count;

    public int Capacity => _capacity;

    /// <summary>How many times <see cref="Allocate"/> finds an entry.</summary>
    public int Room => _capacity - Used + _retired.Count;

    /// <summary>Whether <see cref="Allocate"/> finds an entry.</summary>
    public bool HasRoom => _free.Count > 0 || _retired.Count > 0 || _next < _capacity;

    public bool IsInitial => Used == _first && _retired.Count == 0;

    public double RetiredShare => (double)_retired.Count / Math.Min(_capacity, 65536);

    /// <summary>An entry that nobody sees; its content is whatever its last user left.</summary>
    /// <exception cref="TableFullException">None is left, not even after a grace period.</exception>
    public int Allocate()
    {
        if (_free.TryPop(out var slot))
        {
            return slot;
        }

        if (_next < _capacity)
        {
            return _next++;
        }

        if (_retired.Count > 0)
        {
            _gracePeriods.Reclaim();
        }

        return _free.TryPop(out slot) ? slot : throw new TableFullException(_table, _capacity);
    }

    /// <summary>Takes back an entry that is unlinked but that packets may still be reading.</summary>
    public void Retire(int slot) => _retired.Add(slot);

    public void Recycle()
    {
        _retired.ForEach(_free.Push);
        _retired.Clear();
    }
}
