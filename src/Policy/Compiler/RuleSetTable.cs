using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>The rule sets that endpoints use, interned by what decides their content.</summary>
internal sealed class RuleSetTable(PeerSetTable peerSets, ServiceTable services, bool isStrict)
{
    private readonly Dictionary<RuleSetKey, RuleSetEntry> _entries = [];
    private readonly RuleSetBuilder _builder = new(peerSets, isStrict);
    private readonly IdPool _ids = new();
    private readonly List<RuleSetEntry> _changed = [];
    private readonly List<RuleSetEntry> _unused = [];
    private readonly List<RuleSetId> _removed = [];

    /// <summary>The number of rule sets.</summary>
    public int Count => _entries.Count;

    /// <summary>Every rule set.</summary>
    public IEnumerable<RuleSetEntry> All => _entries.Values;

    /// <summary>A rule set that stays without users: isolation without rules and without an exemption for node traffic.</summary>
    public RuleSetEntry GetPermanent(Direction direction)
    {
        var entry = new RuleSetEntry(new RuleSetKey(direction, [], null, [], [])) { IsPermanent = true };
        _entries.Add(entry.Key, entry);
        Build(entry);
        return entry;
    }

    /// <summary>Makes a workload a user of the rule set with this key in place of another one; null: of none.</summary>
    public RuleSetEntry? Move(PodState pod, RuleSetEntry? from, RuleSetKey? to)
    {
        if (from is not null && from.Key.Equals(to))
        {
            return from;
        }

        if (from is not null)
        {
            from.RemoveUser(pod);
            if (from.Users.Count == 0)
            {
                _unused.Add(from);
            }
        }

        if (to is null)
        {
            return null;
        }

        if (!_entries.TryGetValue(to, out var entry))
        {
            _entries.Add(to, entry = new RuleSetEntry(to));
            Build(entry);
        }

        entry.AddUser(pod);
        return entry;
    }

    /// <summary>Forgets rule sets without users.</summary>
    public void Sweep()
    {
        foreach (var entry in _unused)
        {
            if (entry.Users.Count == 0 && !entry.IsPermanent && _entries.Remove(entry.Key))
            {
                Retire(entry.Current!.Id, entry);
                peerSets.Release(entry, entry.PeerSets, entry.NamedPorts);
            }
        }

        _unused.Clear();
    }

    /// <summary>The rule sets that are new since the last time, and the numbers of those that are gone.</summary>
    public (List<RuleSet> Added, List<RuleSetId> Removed) TakeChanges()
    {
        var added = new List<RuleSet>();
        foreach (var entry in _changed)
        {
            entry.IsChanged = false;
            if (_entries.GetValueOrDefault(entry.Key) == entry && entry.Announced != entry.Current!.Id)
            {
                entry.Announced = entry.Current.Id;
                added.Add(entry.Current);
            }
        }

        _changed.Clear();
        List<RuleSetId> removed = [.. _removed];
        _removed.Clear();
        removed.ForEach(id => _ids.Return(id.Value));
        return (added, removed);
    }

    /// <summary>Spells a rule set out, perhaps again after something its rules were made from changed; true when that gave other rules.</summary>
    public bool Build(RuleSetEntry entry)
    {
        (entry.BaseTiers, entry.BaseAudit) = _builder.Build(entry.Key);
        entry.BasePeerSets = [.. _builder.PeerSets];
        if (_builder.NamedPorts.Count + entry.NamedPorts.Length > 0)
        {
            UseNamedPorts(entry);
        }

        DecideServices(entry);
        return Compose(entry);
    }

    private void UseNamedPorts(RuleSetEntry entry)
    {
        foreach (var group in _builder.NamedPorts)
        {
            group.Users.Add(entry);
        }

        peerSets.Release(entry, [], Array.FindAll(entry.NamedPorts, group => !_builder.NamedPorts.Contains(group)));
        entry.NamedPorts = [.. _builder.NamedPorts];
    }

    /// <summary>Starts or stops deciding Services, as there are any, and decides all of them.</summary>
    public void DecideServices(RuleSetEntry entry)
    {
        if (entry.Key.Direction == Direction.Ingress || entry.IsPermanent || services.ClusterIps.Count == 0)
        {
            entry.Services = entry.AuditServices = null;
            return;
        }

        entry.Services = DecideAll(entry.Services, entry.BaseTiers);
        entry.AuditServices = DecideAll(entry.AuditServices, entry.BaseAudit ?? []);

        ServiceTier? DecideAll(ServiceTier? tier, EquatableArray<RuleTier> tiers)
        {
            if (tiers.IsEmpty)
            {
                return null;
            }

            tier ??= new ServiceTier(peerSets, entry.Key.Self) { Tiers = tiers };
            tier.Tiers = tiers;
            tier.Decide(services.Frontends);
            return tier;
        }
    }

    /// <summary>Puts the rule set together; true when it is another than before.</summary>
    public bool Compose(RuleSetEntry entry)
    {
        var (tiers, audit, used) = (entry.BaseTiers, entry.BaseAudit, entry.BasePeerSets);
        if (entry.Services is not null || entry.AuditServices is not null)
        {
            var all = new HashSet<PeerSetState>(used);
            tiers = entry.Services?.Compose(all) ?? tiers;
            audit = entry.AuditServices?.Compose(all) ?? audit;
            used = [.. all];
        }

        foreach (var peers in used)
        {
            peers.References++;
        }

        peerSets.Release(entry, entry.PeerSets, []);
        entry.PeerSets = used;
        if (entry.Current is { } current)
        {
            if (current.Tiers == tiers && current.Audit == audit)
            {
                return false;
            }

            Retire(current.Id, entry);
        }

        entry.Current = new RuleSet(new RuleSetId(_ids.Take()), entry.Key.Direction, tiers, audit);
        if (!entry.IsChanged)
        {
            entry.IsChanged = true;
            _changed.Add(entry);
        }

        return true;
    }

    // A number that no change set has named may be used again at once; another one only after it was taken back.
    private void Retire(RuleSetId id, RuleSetEntry entry)
    {
        if (entry.Announced == id)
        {
            entry.Announced = null;
            _removed.Add(id);
        }
        else
        {
            _ids.Return(id.Value);
        }
    }
}
