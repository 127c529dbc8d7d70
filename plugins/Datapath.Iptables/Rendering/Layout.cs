using System.Text;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>
/// Everything of this instance in the kernel: which chain stands for which rule set, which set for which peers. A replacement
/// of the whole world is a new layout, built beside the old one with names of its own.
/// </summary>
internal sealed class Layout
{
    private readonly Names _names;
    private readonly World _world;
    private readonly Verdicts _verdicts;
    private readonly DatapathSettings _settings;
    private readonly IReadOnlyList<IpFamily> _families;
    private readonly Dictionary<PeerSetId, string> _peerSets = [];
    private readonly Dictionary<(RuleSetId Id, InterfaceSide Side), (string Table, RuleSetChains Chains)> _ruleSets = [];
    private readonly Dictionary<(RuleSetId Id, RuleSetId Own, InterfaceSide Side), (string Table, TierChains Chains)> _replies = [];
    private readonly HashSet<PeerSetId> _unplaced = [];
    private readonly Dictionary<RuleSetId, IReadOnlyList<Finding>> _closed = [];
    private readonly IReadOnlyList<string> _tables;
    private readonly int _setLimit;
    private readonly bool _matchesSctpPorts;
    private readonly string _ownAddresses;
    private readonly Dictionary<IpFamily, HashSet<string>> _ownElements = new() { [IpFamily.IPv4] = [], [IpFamily.IPv6] = [] };
    private readonly Dictionary<(string Table, IpFamily Family), Dictionary<string, int>> _ruleCounts = [];
    private readonly Dispatch _dispatch;

    /// <summary>Names an empty layout.</summary>
    /// <param name="world">The rules.</param>
    /// <param name="names">Where names come from.</param>
    /// <param name="verdicts">Where packets end.</param>
    /// <param name="settings">What the configuration says.</param>
    /// <param name="families">The families of packets there are.</param>
    /// <param name="setLimit">How many sets the kernel has room for. Rule sets that need one more are closed.</param>
    /// <param name="tables">The tables to use; without security, mangle serves for both.</param>
    /// <param name="matchesSctpPorts">Whether rules can name SCTP ports. Those that do are closed otherwise.</param>
    public Layout(
        World world,
        Names names,
        Verdicts verdicts,
        DatapathSettings settings,
        IReadOnlyList<IpFamily> families,
        int setLimit,
        IReadOnlyList<string> tables,
        bool matchesSctpPorts = true)
    {
        _tables = tables;
        _matchesSctpPorts = matchesSctpPorts;
        _setLimit = setLimit;
        _world = world;
        _names = names;
        _verdicts = verdicts;
        _settings = settings;
        _families = families;
        _ownAddresses = names.Next('n');
        _dispatch = new Dispatch(names, verdicts, settings, _ownAddresses, families, tables[0]);
    }

    /// <summary>The chains that built-in chains jump to: (table, built-in chain, chain).</summary>
    public IEnumerable<Jump> Jumps => _dispatch.Jumps;

    /// <summary>The sets of both families with their elements, as they should be.</summary>
    public IEnumerable<(string Name, IEnumerable<string> Elements)> Sets =>
        _families.SelectMany(family => _peerSets
            .Select(set => (
                PeerSets.NameOf(set.Value, family),
                _world.PeerSets[set.Key].Where(prefix => prefix.Family == family).SelectMany(PeerSets.Elements)))
            .Append((PeerSets.NameOf(_ownAddresses, family), _ownElements[family])));

    /// <summary>The number of sets.</summary>
    public int SetCount => (_peerSets.Count + 1) * _families.Count;

    /// <summary>What is closed because it did not fit or cannot be matched.</summary>
    public IEnumerable<Finding> Closed => _closed.Values.SelectMany(findings => findings).Distinct();

    /// <summary>A chain that is not there, or has another number of rules; null when there is none.</summary>
    public string? FindMissing(IReadOnlyDictionary<(string Table, IpFamily Family), SavedTable> saved)
    {
        foreach (var ((table, family), content) in saved)
        {
            var present = content.Rules.CountBy(rule => rule.Chain).ToDictionary();
            var chains = content.Chains.ToHashSet();
            foreach (var (name, rules) in _ruleCounts[(table, family)])
            {
                if (!chains.Contains(name) || present.GetValueOrDefault(name) != rules)
                {
                    return $"{family} table {table}: chain {name}";
                }
            }
        }

        return null;
    }

    /// <summary>The step to a change set that the world has already taken over.</summary>
    public Plan Advance(ChangeSet changes)
    {
        var plan = new Plan();
        if (changes.Replace)
        {
            Begin(plan);
        }

        foreach (var delta in changes.PeerSets)
        {
            Change(plan, delta);
        }

        if (changes.Replace || !changes.Endpoints.IsEmpty || !changes.RemovedEndpoints.IsEmpty)
        {
            Dispatch(plan);
        }

        if (!changes.RemovedRuleSets.IsEmpty)
        {
            RemoveChains(plan, changes.RemovedRuleSets.ToHashSet());
        }

        foreach (var id in changes.RemovedPeerSets)
        {
            _unplaced.Remove(id);
            if (_peerSets.Remove(id, out var set))
            {
                plan.Garbage.AddRange(_families.Select(family => PeerSets.NameOf(set, family)));
            }
        }

        foreach (var table in _tables)
        {
            foreach (var family in _families)
            {
                Count((table, family), plan.Of(table, family));
            }
        }

        return plan;
    }

    private void Count((string Table, IpFamily Family) key, ChainChanges changes)
    {
        var counts = _ruleCounts.TryGetValue(key, out var known) ? known : _ruleCounts[key] = [];
        foreach (var chain in changes.Written)
        {
            counts[chain.Name] = chain.Rules.Count;
        }

        foreach (var name in changes.Removed)
        {
            counts.Remove(name);
        }
    }

    private void Begin(Plan plan)
    {
        foreach (var family in _families)
        {
            plan.SetsBefore.AppendLine(PeerSets.CreateByInterface(PeerSets.NameOf(_ownAddresses, family), family));
        }

        _dispatch.Begin(plan);
    }

    private void Change(Plan plan, PeerSetDelta delta)
    {
        if (_peerSets.TryGetValue(delta.Id, out var set))
        {
            Append(plan.SetsAdded, "add", set, delta.Added);
            Append(plan.SetsRemoved, "del", set, delta.Removed);
            return;
        }

        if (_unplaced.Contains(delta.Id) || SetCount + _families.Count > _setLimit)
        {
            _unplaced.Add(delta.Id);
            return;
        }

        set = _names.Next('p');
        _peerSets.Add(delta.Id, set);
        foreach (var family in _families)
        {
            var count = delta.Added.Count(prefix => prefix.Family == family);
            plan.SetsBefore.AppendLine(PeerSets.Create(PeerSets.NameOf(set, family), family, count));
        }

        Append(plan.SetsBefore, "add", set, delta.Added);
    }

    private void Append(StringBuilder lines, string verb, string set, IEnumerable<IpPrefix> prefixes)
    {
        foreach (var prefix in prefixes.Where(prefix => _families.Contains(prefix.Family)))
        {
            foreach (var element in PeerSets.Elements(prefix))
            {
                lines.Append(verb).Append(' ').Append(PeerSets.NameOf(set, prefix.Family)).Append(' ').AppendLine(element);
            }
        }
    }

    // Chains are made when the first interface needs them.
    private string FlowsOf(Plan plan, RuleSetId id, InterfaceSide side)
    {
        if (!_ruleSets.TryGetValue((id, side), out var chains))
        {
            var rules = Enforceable(id);
            var table = _dispatch.TableOf(side, rules.Direction);
            chains = (table, new RuleSetChains(rules, _names, _verdicts, OwnAddressesOf(side)));
            _ruleSets.Add((id, side), chains);
            Write(plan, table, chains.Chains.Render);
        }

        return chains.Chains.Entry;
    }

    // A mirror of a rule set, for packets that conntrack knows as replies: it judges what policy says of their flow now. What it does not
    // allow is judged by the rules of its own direction: what may open a flow may also be part of one.
    private string RepliesOf(Plan plan, RuleSetId id, RuleSetId own, InterfaceSide side)
    {
        if (!_replies.TryGetValue((id, own, side), out var chains))
        {
            var rules = Enforceable(id);
            var direction = rules.Direction == Direction.Ingress ? Direction.Egress : Direction.Ingress;
            var (reply, otherwise) = ($"-g {_verdicts.Chain('r', direction)}", $"-g {FlowsOf(plan, own, side)}");
            var fates = new Fates(reply, reply, otherwise, otherwise);
            var table = _dispatch.TableOf(side, direction);
            chains = (table, new TierChains(_names, 'b', rules.Tiers, direction, isReply: true, fates, OwnAddressesOf(side)));
            _replies.Add((id, own, side), chains);
            Write(plan, table, chains.Chains.Render);
        }

        return chains.Chains.Entry;
    }

    private RuleSet Enforceable(RuleSetId id)
    {
        var rules = _world.RuleSets[id];
        var all = rules.Tiers.Items.Concat((rules.Audit ?? []).Items).SelectMany(tier => tier.Rules.Items).ToList();
        if (all.Find(rule => (rule.Peers ?? []).Items.Any(_unplaced.Contains)) is { } first)
        {
            // What it would allow cannot be told apart.
            _closed[id] = [Closure(first, $"the kernel has no room for its peers ({_setLimit} more sets at most): {rules.Direction} of its pods is closed; use fewer different selectors")];
            return rules with { Tiers = [new RuleTier(RuleTierKind.Admin, [], first.Reference)], Audit = null };
        }

        if (_matchesSctpPorts || all.FindAll(SctpPorts.AreNamedBy) is not { Count: > 0 } sctp)
        {
            return rules;
        }

        _closed[id] = [.. sctp.Select(rule => Closure(
            rule, $"iptables cannot match SCTP ports on this machine: its SCTP rule is closed for {rules.Direction}; {KernelModules.Remedy("xt_multiport")}"))];
        return SctpPorts.Close(rules);
    }

    private static Finding Closure(Rule rule, string message) =>
        new(FindingSeverity.Error, rule.Reference.Position, $"{rule.Reference.Kind} {rule.Reference.Policy}".TrimStart(), message);

    private string? OwnAddressesOf(InterfaceSide side) => side == InterfaceSide.Peer ? _ownAddresses : null;

    private void Write(Plan plan, string table, Func<IpFamily, Func<PeerSetId, string>, IEnumerable<Chain>> render)
    {
        foreach (var family in _families)
        {
            foreach (var chain in render(family, peers => PeerSets.NameOf(_peerSets[peers], family)))
            {
                plan.Of(table, family).Add(chain);
            }
        }
    }

    private void RemoveChains(Plan plan, IReadOnlyCollection<RuleSetId> removed)
    {
        var flows = _ruleSets.Where(pair => removed.Contains(pair.Key.Id)).ToList();
        var replies = _replies.Where(pair => removed.Contains(pair.Key.Id) || removed.Contains(pair.Key.Own)).ToList();
        flows.ForEach(pair => _ruleSets.Remove(pair.Key));
        flows.ForEach(pair => _closed.Remove(pair.Key.Id));
        replies.ForEach(pair => _replies.Remove(pair.Key));
        var names = replies.SelectMany(pair => pair.Value.Chains.Names.Select(name => (pair.Value.Table, Name: name)))
            .Concat(flows.SelectMany(pair => pair.Value.Chains.Names.Select(name => (pair.Value.Table, Name: name))));
        foreach (var (table, name) in names)
        {
            foreach (var family in _families)
            {
                plan.Of(table, family).Remove(name);
            }
        }
    }

    private void Dispatch(Plan plan)
    {
        var owners = InterfaceOwners.Of(_world.Endpoints.Values, plan.Problems);
        _dispatch.Close(plan, owners.Closed);
        _dispatch.Update(
            plan,
            owners.Policed,
            (id, side) => FlowsOf(plan, id, side),
            _settings.Established == EstablishedConnections.Enforce ? (id, own, side) => RepliesOf(plan, id, own, side) : null);
        foreach (var family in _families)
        {
            var elements = owners.Policed
                .Where(policed => policed.Endpoint.Side == InterfaceSide.Peer)
                .SelectMany(policed => policed.Endpoint.Addresses.Items
                    .Where(address => address.Family == family)
                    .Select(address => $"{address},{policed.Name}"))
                .ToHashSet();
            var (name, before) = (PeerSets.NameOf(_ownAddresses, family), _ownElements[family]);
            foreach (var element in elements.Except(before))
            {
                plan.SetsBefore.AppendLine($"add {name} {element}");
            }

            foreach (var element in before.Except(elements))
            {
                plan.SetsRemoved.AppendLine($"del {name} {element}");
            }

            _ownElements[family] = elements;
        }
    }
}
