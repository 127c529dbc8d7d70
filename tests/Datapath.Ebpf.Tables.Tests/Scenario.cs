using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

/// <summary>
/// A random sequence of change sets, dense in nested prefixes, reused ids and recycled table entries. After every store
/// packets judged at once, and packets that were underway before, must get a verdict that their rules give before or after.
/// </summary>
internal sealed class Scenario : IDisposable
{
    private static readonly IpAddress[] Anchors =
        [.. new[] { "10.1.2.3", "10.1.3.200", "10.200.0.1", "192.168.0.1", "fd00::1", "fd00::ffff", "fd00:0:0:1::9", "2001:db8:5::1" }.Select(IpAddress.Parse)];

    private static readonly ushort[] Ports = [0, 79, 80, 81, 443, 8000, 8999, 9000, 65535];
    private readonly Random _random;
    private readonly Lowered _lowered;
    private readonly List<Walk> _walks = [];
    private Probe[] _probes = [];
    private int _stores;

    public Scenario(int seed)
    {
        _random = new Random(seed);
        _lowered = new Lowered(new TestTables(blocks: 144, nodes6: 100, rows: 12, pages: 120, ports: 2000));
        _lowered.Tables.Stored = OnStored;
        _lowered.Tables.FinishReaders = FinishWalks;
    }

    private sealed record Probe(RuleSet RuleSet, uint Row, IpAddress Address, uint Transport, ushort Port, Outcome[] Allowed);

    private sealed record Walk(TableReader Reader, Probe Probe, HashSet<Outcome> Allowed);

    public static void Run(int seed, int steps)
    {
        using var scenario = new Scenario(seed);
        for (var step = 0; step < steps; step++)
        {
            scenario.Step();
        }

        scenario.MoveToExactRoom();
        scenario.RemoveAll();
    }

    public void Dispose() => _lowered.Dispose();

    private void Step()
    {
        var changes = RandomChanges();
        Phase(() => _lowered.World.Apply(changes), () => _lowered.Lowering.Apply(changes), changes);
        Phase(() => _lowered.World.Complete(changes), _lowered.Lowering.Complete, changes);
        _probes = [];
        if (_random.Next(3) == 0)
        {
            _lowered.Lowering.World.Sets.Sweep();
        }

        _lowered.Check(RandomAddresses(30), [(0, 80), ((uint)_random.Next(4), 0), ((uint)_random.Next(3), Ports[_random.Next(Ports.Length)])]);
    }

    private void MoveToExactRoom()
    {
        FinishWalks();
        var world = _lowered.Lowering.World;
        var (blocks6, nodes6) = AddressTable6.Count(world.Trie6);
        var blocks = AddressTable4.CountBlocks(world.Trie4) + blocks6;
        _lowered.MoveTo(new TestTables(blocks, nodes6, rows: 12, pages: 120, ports: 2000));
        Assert.Equal((blocks, nodes6), (Entries("blocks"), Entries("nodes6")));
        _lowered.Check(RandomAddresses(30), [(0, 80), (3, 0)]);
    }

    private long Entries(string table) => _lowered.Lowering.Usage.Single(usage => usage.Table == table).Entries;

    private void RemoveAll()
    {
        var changes = new ChangeSet
        {
            Revision = 2, RemovedRuleSets = [.. _lowered.World.RuleSets.Keys], RemovedPeerSets = [.. _lowered.World.PeerSets.Keys],
        };
        _lowered.Change(changes);
        _lowered.Lowering.Reclaim();
        var world = _lowered.Lowering.World;
        world.Sets.Sweep();
        Assert.True(_lowered.Lowering.IsInitial, string.Join(", ", _lowered.Lowering.Usage));
        Assert.Equal((0, 0, 0, 0), (world.Sets.Count, world.Trie4.Count, world.Trie6.Count, world.PeerSetCount));
    }

    /// <summary>Changes model and tables with probes that know the verdicts of both sides of the change.</summary>
    private void Phase(Action changeModel, Action changeTables, ChangeSet changes)
    {
        var removed = changes.RemovedRuleSets.ToHashSet();
        var probes = (
            from ruleSet in _lowered.World.RuleSets.Values
            let row = _lowered.Lowering.RowOf(ruleSet.Id)
            from address in RandomAddresses(12)
            let transport = (uint)_random.Next(4)
            let port = transport == 3 ? (ushort)0 : Ports[_random.Next(Ports.Length)]
            select new Probe(ruleSet, row, address, transport, port, [_lowered.World.Judge(ruleSet, address, transport, port), null!])).ToArray();
        changeModel();
        foreach (var probe in probes)
        {
            probe.Allowed[1] = After(probe, probe.Allowed[0]);
        }

        foreach (var walk in _walks)
        {
            walk.Allowed.Add(After(walk.Probe, walk.Allowed.First()));
        }

        // A removed rule set has no packets of its own once its removal has begun; those underway are in the walks.
        _probes = [.. probes.Where(probe => _lowered.World.RuleSets.ContainsKey(probe.RuleSet.Id))];
        changeTables();
    }

    /// <summary>The verdict after the change; rules that are gone keep the verdict they had.</summary>
    private Outcome After(Probe probe, Outcome before) =>
        _lowered.World.RuleSets.TryGetValue(probe.RuleSet.Id, out var now) && ReferenceEquals(now, probe.RuleSet)
            ? _lowered.World.Judge(probe.RuleSet, probe.Address, probe.Transport, probe.Port)
            : before;

    private void OnStored()
    {
        // Painting a short prefix stores thousands of entries that are all alike.
        if (_probes.Length == 0 || (_stores++ > 3000 && _stores % 97 != 0))
        {
            return;
        }

        for (var i = 0; i < 4; i++)
        {
            var probe = _probes[_random.Next(_probes.Length)];
            var verdict = TableReader.Judge(_lowered.Tables, probe.Row, probe.Address, probe.Transport, probe.Port);
            Verify(probe, _lowered.OutcomeOf(verdict), probe.Allowed);
        }

        for (var i = _walks.Count - 1; i >= 0; i--)
        {
            if (_random.Next(8) == 0 && _walks[i].Reader.Step())
            {
                Verify(_walks[i].Probe, _lowered.OutcomeOf(_walks[i].Reader.Verdict), _walks[i].Allowed);
                _walks.RemoveAt(i);
            }
        }

        if (_walks.Count < 30)
        {
            var probe = _probes[_random.Next(_probes.Length)];
            _walks.Add(new Walk(
                new TableReader(_lowered.Tables, probe.Row, probe.Address, probe.Transport, probe.Port), probe, [.. probe.Allowed]));
        }
    }

    private void FinishWalks()
    {
        foreach (var walk in _walks)
        {
            walk.Reader.Finish();
            Verify(walk.Probe, _lowered.OutcomeOf(walk.Reader.Verdict), walk.Allowed);
        }

        _walks.Clear();
    }

    private static void Verify(Probe probe, Outcome actual, IEnumerable<Outcome> allowed)
    {
        if (!allowed.Contains(actual))
        {
            Assert.Fail($"{probe}: a packet between two stores gets {actual}, its rules say {string.Join(" or ", allowed)}");
        }
    }

    private ChangeSet RandomChanges()
    {
        var removedRules = Some(_lowered.World.RuleSets.Keys, 3).ToArray();
        var kept = _lowered.World.RuleSets.Where(pair => !removedRules.Contains(pair.Key)).Select(pair => pair.Value);
        var used = kept.SelectMany(PeersOf).ToHashSet();
        var removedSets = Some(_lowered.World.PeerSets.Keys.Where(id => !used.Contains(id)), 2).ToArray();
        var deltas = Enumerable.Range(1, 8).Select(id => new PeerSetId(id)).Where(_ => _random.Next(3) == 0).Select(RandomDelta).ToArray();
        var peers = _lowered.World.PeerSets.Keys.Union(deltas.Select(delta => delta.Id)).Except(removedSets).ToArray();
        var newRules = Enumerable.Range(1, 6).Select(id => new RuleSetId(id))
            .Where(id => !_lowered.World.RuleSets.ContainsKey(id) && _random.Next(2) == 0)
            .Select(id => RandomRuleSet(id, peers));
        return new ChangeSet
        {
            Revision = 1,
            PeerSets = [.. deltas],
            RemovedPeerSets = [.. removedSets],
            RuleSets = [.. newRules],
            RemovedRuleSets = [.. removedRules],
        };
    }

    private IEnumerable<T> Some<T>(IEnumerable<T> items, int oneIn) => items.Where(_ => _random.Next(oneIn) == 0);

    private static IEnumerable<PeerSetId> PeersOf(RuleSet ruleSet) =>
        ruleSet.Tiers.Concat(ruleSet.Audit ?? []).SelectMany(tier => tier.Rules).SelectMany(rule => rule.Peers ?? []);

    private PeerSetDelta RandomDelta(PeerSetId id)
    {
        var present = _lowered.World.PeerSets.GetValueOrDefault(id, []);
        var added = Enumerable.Range(0, _random.Next(6)).Select(_ => RandomPrefix()).Except(present).ToArray();
        return new PeerSetDelta(id, "random", [.. added], [.. Some(present, 3)]);
    }

    private RuleSet RandomRuleSet(RuleSetId id, PeerSetId[] peers)
    {
        RuleTierKind[] kinds = [RuleTierKind.Admin, RuleTierKind.NetworkPolicy, RuleTierKind.Baseline];
        EquatableArray<RuleTier> Tiers() => [.. kinds.Where(_ => _random.Next(2) == 0).Select(kind => RandomTier(kind, peers))];
        return new RuleSet(id, Direction.Ingress, Tiers(), _random.Next(3) == 0 ? Tiers() : null);
    }

    private RuleTier RandomTier(RuleTierKind kind, PeerSetId[] peers) => new(
        kind,
        [.. Enumerable.Range(0, _random.Next(4)).Select(_ => RandomRule(peers))],
        _random.Next(2) == 0 ? TestWorld.Reference("isolation", _random.Next(3)) : null);

    private Rule RandomRule(PeerSetId[] peers)
    {
        var some = Some(peers, 3).ToArray();
        var ranges = Enumerable.Range(0, _random.Next(1, 4)).Select(_ => RandomRange()).ToArray();
        return new Rule(
            (RuleAction)_random.Next(3),
            some.Length == 0 ? null : new EquatableArray<PeerSetId>([.. some]),
            _random.Next(2) == 0 ? null : new EquatableArray<PortRange>([.. ranges]),
            TestWorld.Reference("rule", _random.Next(20)));
    }

    private PortRange RandomRange()
    {
        IpProtocol[] protocols = [IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp];
        var (one, other) = (Ports[_random.Next(Ports.Length)], Ports[_random.Next(Ports.Length)]);
        return new PortRange(protocols[_random.Next(3)], Math.Min(one, other), Math.Max(one, other));
    }

    private IpPrefix RandomPrefix()
    {
        var address = RandomAddress();
        int[] lengths = address.Width == 32 ? [0, 1, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 32, 32, 32] : [0, 1, 7, 8, 9, 16, 47, 48, 63, 64, 65, 119, 120, 121, 127, 128, 128, 128];

        // The default route stores 65536 entries: seldom, to keep scenarios quick.
        var length = lengths[_random.Next(_random.Next(8) == 0 ? 0 : 2, lengths.Length)];
        return new IpPrefix(address, length);
    }

    private IpAddress RandomAddress()
    {
        var anchor = Anchors[_random.Next(Anchors.Length)];
        return _random.Next(3) == 0 ? anchor : anchor with { Bits = anchor.Bits ^ (UInt128.One << _random.Next(anchor.Width)) };
    }

    /// <summary>Random addresses, and the first and last of prefixes with their neighbours.</summary>
    private IpAddress[] RandomAddresses(int count)
    {
        var prefixes = _lowered.World.PeerSets.Values.SelectMany(set => set).ToArray();
        var addresses = new IpAddress[count];
        for (var i = 0; i < count; i++)
        {
            var address = RandomAddress();
            if (prefixes.Length > 0 && _random.Next(3) > 0)
            {
                var prefix = prefixes[_random.Next(prefixes.Length)];
                address = _random.Next(2) == 0 ? prefix.Address : prefix.Last;
                var bits = address.Bits + (UInt128)_random.Next(2) - (UInt128)_random.Next(2);
                address = address with { Bits = address.Width == 32 ? (uint)bits : bits };
            }

            addresses[i] = address;
        }

        return addresses;
    }
}
