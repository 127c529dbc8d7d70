using System.Runtime.InteropServices;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>One row of verdicts per rule set, one verdict per class. A row's default is the verdict of class 0.</summary>
/// <remarks>
/// A row is 256 pages of 256 verdicts. Pages of one verdict are shared by all rows; a class that no rule of a row refers to
/// has the default, so a row costs what it differs from it.
/// </remarks>
internal sealed unsafe class RowTable
{
    private const int PageSize = 256;
    private readonly KernelTables _tables;
    private readonly AddressClasses _classes;
    private readonly SetPool _sets;
    private readonly PortLists _ports;
    private readonly RuleNumbers _numbers;
    private readonly SlotAllocator _rowSlots;
    private readonly SlotAllocator _pageSlots;
    private readonly Dictionary<RuleSetId, Row> _rows = [];
    private readonly Dictionary<int, List<Row>> _byPeerSet = [];
    private readonly Dictionary<uint, int> _uniformPages = [];
    private readonly int[] _uses;
    private readonly int[] _signatures = new int[AddressClasses.Capacity];
    private readonly List<int> _touched = [];
    private long _visit;

    private sealed class Row(int number, RuleProgram program, uint verdict)
    {
        public int Number => number;

        public RuleProgram Program => program;

        /// <summary>The verdict of classes no rule refers to.</summary>
        public uint Default => verdict;

        /// <summary>The last visit that came by, to pass each row once.</summary>
        public long Visit { get; set; }
    }

    public RowTable(KernelTables tables, AddressClasses classes, SetPool sets, RuleNumbers numbers, GracePeriods gracePeriods)
    {
        _tables = tables;
        _classes = classes;
        _sets = sets;
        _numbers = numbers;
        _ports = new PortLists(tables, gracePeriods);
        _rowSlots = new SlotAllocator("rows", 1, tables.RowCapacity, gracePeriods);
        _pageSlots = new SlotAllocator("pages", 0, tables.PageCapacity, gracePeriods);
        _uses = new int[tables.PageCapacity];
        classes.Created = SetVerdicts;
        classes.Released = ReleaseVerdicts;
    }

    /// <summary>Whether there is no row left, and no larger table either.</summary>
    public bool IsExhausted => _tables.RowCapacity >= TableCapacities.MaxRows && !_rowSlots.HasRoom;

    public int RowsUsed => _rowSlots.Used;

    public int PagesUsed => _pageSlots.Used;

    public int PortsUsed => _ports.Used;

    public bool IsInitial =>
        _rowSlots.IsInitial && _pageSlots.IsInitial && _ports.IsInitial && _byPeerSet.Count == 0 && _uniformPages.Count == 0;

    public uint RowOf(RuleSetId id) => (uint)_rows[id].Number;

    public bool IsOpen(RuleSetId id) => _rows[id].Program.IsOpen;

    /// <summary>Makes a complete row that nobody sees yet.</summary>
    /// <exception cref="TableFullException">No room for it.</exception>
    public void Add(RuleSet ruleSet)
    {
        var program = new RuleProgram(ruleSet, _numbers);
        var row = new Row(_rowSlots.Allocate(), program, AcquireVerdict(program, []));
        new Span<uint>(Entry(row, 0), PageSize).Fill((uint)AcquireUniform(row.Default, PageSize));
        FindTouched(program);
        var verdicts = new Dictionary<int, uint>();
        Span<uint> page = stackalloc uint[PageSize];
        for (var i = 0; i < _touched.Count;)
        {
            var number = _touched[i] / PageSize;
            page.Fill(row.Default);
            for (; i < _touched.Count && _touched[i] / PageSize == number; i++)
            {
                page[_touched[i] % PageSize] = VerdictOf(row, _touched[i], verdicts);
            }

            Write(row, number, page);
        }

        _touched.ForEach(touched => _signatures[touched] = SetPool.Empty);
        _touched.Clear();
        _rows.Add(ruleSet.Id, row);
        foreach (var peerSet in program.PeerSets)
        {
            ref var rows = ref CollectionsMarshal.GetValueRefOrAddDefault(_byPeerSet, peerSet, out _);
            rows ??= [];
            rows.Add(row);
        }
    }

    /// <summary>Retires a row that no endpoint points to any more.</summary>
    public void Remove(RuleSetId id)
    {
        _rows.Remove(id, out var row);
        FindTouched(row!.Program);
        foreach (var touched in _touched)
        {
            _ports.Release(*Cell(row, touched));
            _signatures[touched] = SetPool.Empty;
        }

        _touched.Clear();
        _ports.Release(row.Default);
        for (var i = 0; i < PageSize; i++)
        {
            ReleasePage((int)*Entry(row, i));
        }

        foreach (var peerSet in row.Program.PeerSets)
        {
            _byPeerSet[peerSet].Remove(row);
            if (_byPeerSet[peerSet].Count == 0)
            {
                _byPeerSet.Remove(peerSet);
            }
        }

        Array.ForEach(row.Program.References, _numbers.Release);
        _rowSlots.Retire(row.Number);
    }

    /// <summary>Gives a class that no packet can see its verdicts in all rows.</summary>
    private void SetVerdicts(int number, int[] before, int[] after)
    {
        _visit++;
        foreach (var row in Unvisited(after))
        {
            Set(row, number, AcquireVerdict(row.Program, after));
        }

        // Rows that only its earlier peer sets mattered to still have the verdict from then.
        foreach (var row in Unvisited(before))
        {
            Set(row, number, row.Default);
        }
    }

    private void ReleaseVerdicts(int number, int[] peerSets)
    {
        _visit++;
        foreach (var row in Unvisited(peerSets))
        {
            _ports.Release(*Cell(row, number));
        }
    }

    private IEnumerable<Row> Unvisited(int[] peerSets)
    {
        foreach (var peerSet in peerSets)
        {
            if (!_byPeerSet.TryGetValue(peerSet, out var rows))
            {
                continue;
            }

            foreach (var row in rows)
            {
                if (row.Visit != _visit)
                {
                    row.Visit = _visit;
                    yield return row;
                }
            }
        }
    }

    /// <summary>Collects the classes some rule refers to, ascending, each with the peer sets that matter as its signature.</summary>
    private void FindTouched(RuleProgram program)
    {
        foreach (var peerSet in program.PeerSets)
        {
            foreach (var number in _classes.With(peerSet))
            {
                if (_signatures[number] == SetPool.Empty)
                {
                    _touched.Add(number);
                }

                _signatures[number] = _sets.With(_signatures[number], peerSet);
            }
        }

        _touched.Sort();
    }

    private uint VerdictOf(Row row, int number, Dictionary<int, uint> verdicts)
    {
        var signature = _signatures[number];
        if (verdicts.TryGetValue(signature, out var verdict))
        {
            _ports.Acquire(verdict);
        }
        else
        {
            verdict = AcquireVerdict(row.Program, _sets.Members(signature));
            verdicts.Add(signature, verdict);
        }

        return verdict;
    }

    private uint AcquireVerdict(RuleProgram program, ReadOnlySpan<int> peerSets) =>
        _ports.Acquire(program.Starts, program.Judge(peerSets));

    private void Write(Row row, int index, ReadOnlySpan<uint> verdicts)
    {
        var isUniform = verdicts.IndexOfAnyExcept(verdicts[0]) < 0;
        var page = isUniform ? AcquireUniform(verdicts[0], 1) : _pageSlots.Allocate();
        if (!isUniform)
        {
            verdicts.CopyTo(Page(page));
        }

        Replace(row, index, page);
    }

    private void Set(Row row, int number, uint verdict)
    {
        var page = (int)*Entry(row, number / PageSize);
        if (*Cell(row, number) == verdict)
        {
            return;
        }

        if (_uses[page] == 0)
        {
            _tables.Store(Cell(row, number), verdict);
            if (Page(page).IndexOfAnyExcept(verdict) < 0)
            {
                Replace(row, number / PageSize, AcquireUniform(verdict, 1));
            }

            return;
        }

        var copy = _pageSlots.Allocate();
        Page(page).CopyTo(Page(copy));
        Page(copy)[number % PageSize] = verdict;
        Replace(row, number / PageSize, copy);
    }

    private void Replace(Row row, int index, int page)
    {
        var old = (int)*Entry(row, index);
        _tables.Store(Entry(row, index), (uint)page);
        ReleasePage(old);
    }

    /// <summary>The page that all rows share for one verdict, used by this many more entries.</summary>
    private int AcquireUniform(uint verdict, int entries)
    {
        if (!_uniformPages.TryGetValue(verdict, out var page))
        {
            page = _pageSlots.Allocate();
            Page(page).Fill(verdict);
            _uniformPages.Add(verdict, page);
        }

        _uses[page] += entries;
        return page;
    }

    private void ReleasePage(int page)
    {
        if (_uses[page] > 0 && --_uses[page] == 0)
        {
            _uniformPages.Remove(Page(page)[0]);
            _pageSlots.Retire(page);
        }
        else if (_uses[page] == 0)
        {
            _pageSlots.Retire(page);
        }
    }

    private uint* Entry(Row row, int index) => _tables.Rows + ((long)row.Number * PageSize) + index;

    private uint* Cell(Row row, int number) => _tables.Pages + (*Entry(row, number / PageSize) * (long)PageSize) + (number % PageSize);

    private Span<uint> Page(int page) => new(_tables.Pages + ((long)page * PageSize), PageSize);
}
