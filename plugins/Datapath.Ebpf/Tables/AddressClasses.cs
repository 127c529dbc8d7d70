using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>
/// The numbers of address classes: one for every set of peer sets that some address is in. Counts the table entries that
/// hold each; a number nobody holds is reused after a grace period. Class 0 is the empty set and always there.
/// </summary>
internal sealed class AddressClasses
{
    public const int Capacity = 65536;
    private readonly SetPool _sets;
    private readonly SlotAllocator _numbers;
    private readonly int[] _setOf = new int[Capacity];
    private readonly int[][] _members = new int[Capacity][];
    private readonly int[] _uses = new int[Capacity];
    private readonly List<int> _unused = [];
    private readonly Dictionary<int, List<int>> _byPeerSet = [];
    private int[] _classOf = [];

    public AddressClasses(SetPool sets, GracePeriods gracePeriods)
    {
        _sets = sets;
        _numbers = new SlotAllocator("classes", 1, Capacity, gracePeriods);
        Array.Fill(_members, []);
    }

    /// <summary>
    /// Called with a class number that no packet can see, the peer sets it last stood for and those it stands for from now on,
    /// before any address has it: gives it its verdicts.
    /// </summary>
    public Action<int, int[], int[]> Created { get; set; } = (_, _, _) => { };

    /// <summary>Called with a class and its peer sets when no address has it any more; packets on their way may.</summary>
    public Action<int, int[]> Released { get; set; } = (_, _) => { };

    /// <summary>Classes in use, class 0 and retired ones included.</summary>
    public int Count => _numbers.Used;

    public bool IsInitial => _numbers.IsInitial && _byPeerSet.Count == 0;

    /// <summary>Table entries whose addresses are denied by every rule set because no number was left for their class.</summary>
    public int Unfit { get; private set; }

    /// <summary>Whether <see cref="Unfit"/> entries would find a class in tables that are built anew, or enough of them to be worth it.</summary>
    public bool HasRoomForUnfit => Unfit > 0 && _numbers.Room >= Math.Min(Unfit, Capacity / 16);

    /// <summary>The class of a set, or <see cref="Reference.Unfit"/>. A new one must be used before the next is asked for.</summary>
    public uint Of(int set)
    {
        if (set == SetPool.Empty)
        {
            return 0;
        }

        if (set >= _classOf.Length)
        {
            Array.Resize(ref _classOf, Math.Max(_sets.Bound, 2 * _classOf.Length));
        }

        return _classOf[set] != 0 ? (uint)_classOf[set] : Create(set);
    }

    /// <summary>The classes whose set has this peer set, in no order.</summary>
    public ReadOnlySpan<int> With(int peerSet) =>
        _byPeerSet.TryGetValue(peerSet, out var classes) ? CollectionsMarshal.AsSpan(classes) : [];

    /// <summary>Notes that one more entry holds what <see cref="Of"/> gave.</summary>
    public void Use(uint number)
    {
        if (number == Reference.Unfit)
        {
            Unfit++;
        }
        else
        {
            _uses[number]++;
        }
    }

    /// <summary>Notes that one entry less holds it.</summary>
    public void Unuse(uint number)
    {
        if (number == Reference.Unfit)
        {
            Unfit--;
        }
        else if (--_uses[number] == 0 && number != 0)
        {
            _unused.Add((int)number);
        }
    }

    /// <summary>Retires the classes that no entry holds.</summary>
    public void ReleaseUnused()
    {
        foreach (var number in _unused)
        {
            var set = _setOf[number];
            if (_uses[number] != 0 || _classOf[set] != number)
            {
                continue;
            }

            _classOf[set] = 0;
            foreach (var peerSet in _members[number])
            {
                Unindex(peerSet, number);
            }

            Released(number, _members[number]);
            _sets.Release(set);
            _numbers.Retire(number);
        }

        _unused.Clear();
    }

    private uint Create(int set)
    {
        if (_numbers.Used == Capacity)
        {
            ReleaseUnused();
        }

        if (!_numbers.HasRoom)
        {
            return Reference.Unfit;
        }

        var number = _numbers.Allocate();
        _setOf[number] = set;
        _classOf[set] = number;
        _sets.AddReference(set);
        var members = _sets.Members(set);
        foreach (var peerSet in members)
        {
            ref var classes = ref CollectionsMarshal.GetValueRefOrAddDefault(_byPeerSet, peerSet, out _);
            classes ??= [];
            classes.Add(number);
        }

        Created(number, _members[number], members);
        _members[number] = members;
        return (uint)number;
    }

    private void Unindex(int peerSet, int number)
    {
        var classes = _byPeerSet[peerSet];
        classes[classes.IndexOf(number)] = classes[^1];
        classes.RemoveAt(classes.Count - 1);
        if (classes.Count == 0)
        {
            _byPeerSet.Remove(peerSet);
        }
    }
}
