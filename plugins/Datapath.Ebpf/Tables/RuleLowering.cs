using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>What one change set came to.</summary>
/// <param name="Classes">Address classes in use.</param>
/// <param name="RuleSets">Rule sets in use.</param>
internal readonly record struct LoweringResult(int Classes, int RuleSets);

/// <summary>
/// Writes compiled rules into the tables of one generation. A change set takes two steps: <see cref="Apply"/> writes what is
/// new, then the caller points endpoints to it, then <see cref="Complete"/> takes out what is gone.
/// </summary>
/// <remarks>
/// Not thread-safe, except for <see cref="RuleOf"/>. After any exception the tables still judge every packet by rules that
/// hold, but no further change can be made: build another generation from <see cref="World"/>.
/// </remarks>
internal sealed class RuleLowering
{
    private readonly KernelTables _tables;
    private readonly GracePeriods _gracePeriods;
    private readonly SlotAllocator _blocks;
    private readonly SlotAllocator _nodes6;
    private readonly AddressClasses _classes;
    private readonly AddressTable4 _table4;
    private readonly AddressTable6 _table6;
    private readonly RuleNumbers _numbers;
    private readonly RowTable _rows;

    /// <summary>Rule sets beyond the rows there can be.</summary>
    private readonly HashSet<RuleSetId> _unfit = [];

    /// <summary>Whether <see cref="WaitForPackets"/> has waited since the last change set.</summary>
    private bool _waited;

    /// <summary>Takes over tables that are all zero, and writes a world into them.</summary>
    /// <param name="tables">The tables.</param>
    /// <param name="world">What to write, for example that of a generation that has become too small; null: nothing.</param>
    /// <exception cref="TableFullException">The world does not fit.</exception>
    public RuleLowering(KernelTables tables, CompiledWorld? world = null)
    {
        World = world ?? new CompiledWorld();
        _tables = tables;
        _gracePeriods = new GracePeriods(tables);
        _blocks = new SlotAllocator("blocks", 0, tables.BlockCapacity, _gracePeriods);
        _nodes6 = new SlotAllocator("nodes6", 0, tables.Node6Capacity, _gracePeriods);
        _classes = new AddressClasses(World.Sets, _gracePeriods);
        _table4 = new AddressTable4(tables, _blocks, _classes, World.Sets, World.Trie4);
        _table6 = new AddressTable6(tables, _blocks, _nodes6, _classes, World.Sets, World.Trie6);
        _numbers = new RuleNumbers(tables, _gracePeriods);
        _rows = new RowTable(tables, _classes, World.Sets, _numbers, _gracePeriods);
        World.Restart();
        PaintChanged();
        AddRows(World.RuleSets.Values);
    }

    /// <summary>Everything applied so far, from which a larger generation can be built.</summary>
    public CompiledWorld World { get; }

    /// <summary>How full the tables are.</summary>
    public IReadOnlyList<TableUsage> Usage =>
    [
        new("blocks", _blocks.Used, _tables.BlockCapacity),
        new("nodes6", _nodes6.Used, _tables.Node6Capacity),
        new("classes", _classes.Count, AddressClasses.Capacity),
        new("rows", _rows.RowsUsed, _tables.RowCapacity),
        new("pages", _rows.PagesUsed, _tables.PageCapacity),
        new("ports", _rows.PortsUsed, _tables.PortCapacity),
        new("rules", _numbers.Used, _tables.RuleCapacity),
    ];

    /// <summary>Whether nothing at all is in use, nor waiting for a grace period.</summary>
    internal bool IsInitial =>
        _blocks.IsInitial && _nodes6.IsInitial && _classes.IsInitial && _rows.IsInitial && _numbers.IsInitial;

    /// <summary>
    /// Writes the new and changed peer sets, then the new rule sets. Rule sets and peer sets that are removed stay in force:
    /// endpoints still use them.
    /// </summary>
    /// <exception cref="TableFullException">A table is too small; <see cref="World"/> has the whole change.</exception>
    /// <exception cref="ArgumentException">The change set contradicts earlier ones.</exception>
    public LoweringResult Apply(ChangeSet changes)
    {
        if (changes.Replace && (World.PeerSetCount > 0 || World.RuleSets.Count > 0))
        {
            throw new ArgumentException("a whole world needs a new generation", nameof(changes));
        }

        World.Apply(changes);
        PaintChanged();
        RuleSetId[] waiting = [.. _unfit];
        _unfit.Clear();
        AddRows(waiting.Select(id => World.RuleSets[id]).Concat(changes.RuleSets));
        return new LoweringResult(_classes.Count, World.RuleSets.Count);
    }

    /// <summary>
    /// Waits until no packet is judged any more by what the last change set removed: one that has already read its endpoint's row
    /// is judged by those rules with their whole peer sets. Only reads, and only what no reader changes.
    /// </summary>
    public void WaitForPackets()
    {
        if (World.HasRemovals && !_waited)
        {
            _tables.WaitForGracePeriod();
            _waited = true;
        }
    }

    /// <summary>Takes out what the last change set removed, once no endpoint points to it any more.</summary>
    /// <remarks>It may be called any time before the next change set; enforcement does not wait for it.</remarks>
    /// <exception cref="TableFullException">
    /// A table is too small, or addresses that found no class would find one in new tables; <see cref="World"/> has the whole change.
    /// </exception>
    public void Complete()
    {
        WaitForPackets();
        if (_waited)
        {
            _gracePeriods.Recycle();
            _waited = false;
        }

        foreach (var id in World.RuleSetsToRemove)
        {
            if (!_unfit.Remove(id))
            {
                _rows.Remove(id);
            }
        }

        World.Complete();
        PaintChanged();
        if (_classes.HasRoomForUnfit)
        {
            throw new TableFullException("classes", AddressClasses.Capacity);
        }

        _gracePeriods.ReclaimIfMuch();
    }

    /// <summary>The row for a rule set, complete and ready to be pointed to.</summary>
    /// <exception cref="KeyNotFoundException">There is no such rule set.</exception>
    public uint RowOf(RuleSetId id) => _rows.RowOf(id);

    /// <summary>Whether a rule set has a row; without one nothing it decides may pass. It gets one in a later change set, once there is room.</summary>
    public bool Fits(RuleSetId id) => !_unfit.Contains(id);

    /// <summary>How an endpoint refers to the row for a rule set: its number, and whether it denies nothing.</summary>
    /// <exception cref="KeyNotFoundException">There is no such rule set.</exception>
    public uint RowReferenceOf(RuleSetId id) => _rows.RowOf(id) | (_rows.IsOpen(id) ? Pc.RowOpen : 0);

    /// <summary>Whether a rule set denies anything, or has to deny everything for want of a row. One that is only audited does not.</summary>
    public bool MayDeny(RuleSetId id) => !Fits(id) || !_rows.IsOpen(id);

    /// <summary>Table entries whose addresses are denied by every rule set, for want of a class. They get one once enough others are gone.</summary>
    public int UnfitAddresses => _classes.Unfit;

    /// <summary>The rule a verdict's number stands, or last stood, for; null for 0 and unknown numbers. From any thread.</summary>
    public RuleReference? RuleOf(uint number) => _numbers.RuleOf(number);

    /// <summary>Above every rule's number. From any thread.</summary>
    public uint RuleBound => _numbers.Bound;

    /// <summary>Waits for a grace period and frees everything retired.</summary>
    internal void Reclaim() => _gracePeriods.Reclaim();

    private void AddRows(IEnumerable<RuleSet> ruleSets)
    {
        foreach (var ruleSet in ruleSets)
        {
            if (_rows.IsExhausted)
            {
                _unfit.Add(ruleSet.Id);
            }
            else
            {
                _rows.Add(ruleSet);
            }
        }
    }

    private void PaintChanged()
    {
        _table4.Paint(World.Changed(IpFamily.IPv4));
        _table6.Paint(World.Changed(IpFamily.IPv6));
        World.ClearChanged();
        _classes.ReleaseUnused();
    }
}
