namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>Interned sets of peer set ids, known by number. Equal sets have equal numbers; 0 is the empty set.</summary>
internal sealed class SetPool
{
    public const int Empty = 0;
    private readonly Dictionary<int[], int> _numbers = new(new ContentComparer()) { [[]] = Empty };
    private readonly Dictionary<long, int> _with = [];
    private readonly Dictionary<long, int> _without = [];
    private readonly Dictionary<long, int> _unions = [];
    private readonly Stack<int> _free = [];
    private int[][] _members = new int[16][];
    private int[] _references = new int[16];
    private int _next = 1;
    private int _sweepAt = 4096;
    private (long Key, int Result) _lastWith = (-1, 0);
    private (long Key, int Result) _lastWithout = (-1, 0);

    public SetPool() => _members[Empty] = [];

    /// <summary>Sets other than the empty one, unused ones that were not swept yet included.</summary>
    public int Count => _numbers.Count - 1;

    /// <summary>A number above that of every set.</summary>
    public int Bound => _next;

    /// <summary>The members in ascending order.</summary>
    public int[] Members(int set) => _members[set];

    public bool Contains(int set, int id) => Array.BinarySearch(_members[set], id) >= 0;

    /// <summary>The set that also has <paramref name="id"/>.</summary>
    public int With(int set, int id)
    {
        var key = Key(set, id);
        if (key == _lastWith.Key)
        {
            return _lastWith.Result;
        }

        if (!_with.TryGetValue(key, out var result))
        {
            result = Contains(set, id) ? set : Intern([.. _members[set], id]);
            _with.Add(key, result);
        }

        _lastWith = (key, result);
        return result;
    }

    /// <summary>The set that lacks <paramref name="id"/>.</summary>
    public int Without(int set, int id)
    {
        var key = Key(set, id);
        if (key == _lastWithout.Key)
        {
            return _lastWithout.Result;
        }

        if (!_without.TryGetValue(key, out var result))
        {
            result = Intern([.. _members[set].Where(member => member != id)]);
            _without.Add(key, result);
        }

        _lastWithout = (key, result);
        return result;
    }

    public int Union(int left, int right) =>
        left == right || right == Empty ? left : left == Empty ? right : UnionOfTwo(left, right);

    public void AddReference(int set) => _references[set]++;

    public void Release(int set) => _references[set]--;

    /// <summary>Forgets all references: whoever holds some takes them anew.</summary>
    public void ReleaseAll() => Array.Clear(_references);

    /// <summary>Forgets unreferenced sets once they may be the majority. Numbers without a reference do not survive it.</summary>
    public void SweepIfMany()
    {
        if (_numbers.Count > _sweepAt || _with.Count + _without.Count + _unions.Count > 8 * _sweepAt)
        {
            Sweep();
            _sweepAt = Math.Max(4096, 2 * _numbers.Count);
        }
    }

    /// <summary>Forgets unreferenced sets. Numbers without a reference do not survive it.</summary>
    public void Sweep()
    {
        for (var set = 1; set < _next; set++)
        {
            if (_references[set] == 0 && _members[set] is { } members)
            {
                _numbers.Remove(members);
                _members[set] = null!;
                _free.Push(set);
            }
        }

        _with.Clear();
        _without.Clear();
        _unions.Clear();
        _lastWith = _lastWithout = (-1, 0);
    }

    private static long Key(int left, int right) => ((long)left << 32) | (uint)right;

    private int UnionOfTwo(int left, int right)
    {
        var key = Key(Math.Min(left, right), Math.Max(left, right));
        if (!_unions.TryGetValue(key, out var result))
        {
            result = Intern([.. _members[left].Union(_members[right])]);
            _unions.Add(key, result);
        }

        return result;
    }

    private int Intern(int[] members)
    {
        Array.Sort(members);
        if (_numbers.TryGetValue(members, out var set))
        {
            return set;
        }

        if (!_free.TryPop(out set))
        {
            set = _next++;
            if (set == _members.Length)
            {
                Array.Resize(ref _members, set * 2);
                Array.Resize(ref _references, set * 2);
            }
        }

        _members[set] = members;
        _numbers.Add(members, set);
        return set;
    }

    private sealed class ContentComparer : IEqualityComparer<int[]>
    {
        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] obj)
        {
            var hash = default(HashCode);
            foreach (var member in obj)
            {
                hash.Add(member);
            }

            return hash.ToHashCode();
        }
    }
}
