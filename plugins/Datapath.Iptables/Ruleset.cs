using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Iptables.Flows;
using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables;

/// <summary>The instance's chains and sets in the kernel. Used from the kernel thread only.</summary>
internal sealed partial class Ruleset
{
    /// <summary>The most sets a network namespace can have: the kernel's table of them grows up to it.</summary>
    public const int MaxSets = 65534;

    private readonly DatapathSettings _settings;
    private readonly ILogger _logger;
    private readonly Names _names;
    private readonly Verdicts _verdicts;
    private Backend? _backend;
    private IptablesTool? _iptables;
    private Installed? _installed;
    private List<string> _garbage = [];

    /// <summary>Prepares; touches nothing.</summary>
    /// <param name="settings">What the configuration says.</param>
    /// <param name="logger">Where to report.</param>
    /// <param name="backend">The backend; null: the one this machine uses.</param>
    public Ruleset(DatapathSettings settings, ILogger logger, Backend? backend)
    {
        _settings = settings;
        _logger = logger;
        _backend = backend;
        _names = new Names(settings.Instance);
        NflogGroup = GroupOf(settings.Instance);
        _verdicts = new Verdicts(_names, NflogGroup);
    }

    /// <summary>The group that this instance reports packets to.</summary>
    public ushort NflogGroup { get; }

    /// <summary>Explains reported packets; null before the first apply. May be read from any thread.</summary>
    public FlowExplainer? Explainer { get; private set; }

    /// <summary>Packets that were counted before the chains were last rebuilt.</summary>
    public Dictionary<string, (long Packets, long Bytes)> EarlierCounts { get; } = [];

    /// <summary>What is in force; null before the first apply, after a failed change and after cleanup.</summary>
    public Installed? Current => _installed;

    /// <summary>The name prefix of this instance.</summary>
    public Names Names => _names;

    private IReadOnlyList<IpFamily> Families { get; set; } = [];

    /// <summary>Brings the kernel to a change set.</summary>
    /// <exception cref="DatapathException">It was refused.</exception>
    /// <exception cref="FeatureNotSupportedException">A program is missing.</exception>
    public ApplyResult Apply(ChangeSet changes)
    {
        if (changes.Replace)
        {
            return Install(changes);
        }

        var installed = _installed ?? throw new InvalidOperationException("the first change set, and the one after a failure, must replace the world");
        lock (installed.World)
        {
            installed.World.Apply(changes);
        }

        var plan = installed.Layout.Advance(changes);
        try
        {
            Execute(installed, plan);
        }
        catch
        {
            _installed = null;
            throw;
        }

        _garbage.AddRange(plan.Garbage);
        installed.Explainer.EndpointsChanged();
        if (!changes.Endpoints.IsEmpty || !changes.RemovedEndpoints.IsEmpty)
        {
            installed.InterfaceProblems = plan.Problems;
        }

        return new ApplyResult(installed.Problems);
    }

    /// <summary>Builds everything anew beside what is there, and lets it take over.</summary>
    public void Rebuild(Installed installed)
    {
        ChangeSet world;
        lock (installed.World)
        {
            world = installed.World.AsReplacement(0);
        }

        Install(world);
    }

    /// <summary>Removes rules and chains that nothing reaches since the last changes.</summary>
    /// <returns>What is in the way because something else put it there; null when nothing is.</returns>
    /// <exception cref="DatapathException">It cannot be done now.</exception>
    public string? Tidy()
    {
        if (_installed is not { Leftovers: { HasNoChains: false } leftovers } installed)
        {
            return null;
        }

        try
        {
            Switch(installed, Scripts(installed.Iptables, leftovers, (table, _, changes) => RestoreScript.Of(table, changes)));
        }
        catch (DatapathException exception) when (!exception.IsTransient)
        {
            return $"what is to be removed ({exception.Message})";
        }

        installed.Leftovers = new Plan();
        return null;
    }

    /// <summary>Removes sets that nothing refers to any more, as far as the kernel has let go of them.</summary>
    /// <returns>Whether some are left.</returns>
    public bool CollectGarbage()
    {
        _garbage = [.. IpsetTool.Find().Destroy(_garbage)];
        return _garbage.Count > 0;
    }

    private ApplyResult Install(ChangeSet changes)
    {
        var (iptables, ipset) = Connect();
        var tables = iptables.Tables(Families);
        var saved = iptables.Save(Families, tables);
        var present = ipset.Names();
        var sets = present.Where(_names.IsOwn).ToList();
        _names.StepPast(saved.Values.SelectMany(table => table.Chains).Concat(sets));

        var world = new World();
        world.Apply(changes);
        var layout = new Layout(world, _names, _verdicts, _settings, Families, MaxSets - present.Count, tables, MatchesSctpPorts(iptables));
        var plan = layout.Advance(changes);
        var isFirst = _installed is null;
        try
        {
            ipset.Restore(plan.SetsBefore.ToString());
            CorrectOpeners(world);
            var jumps = layout.Jumps.ToList();
            iptables.Restore(
                Scripts(iptables, plan, (table, family, changes) => RestoreScript.Installing(table, changes.Written, jumps, saved[(table, family)], _names.IsOwn)),
                LogLockHeld);
            CorrectOpeners(world);
            _knownBefore = null;
        }
        catch
        {
            // The chains in force do not refer to what was made for the new ones.
            _garbage.AddRange(layout.Sets.Select(set => set.Name));
            throw;
        }

        if (!isFirst)
        {
            Counters.Add(EarlierCounts, Counters.Of(saved, _names));
        }

        _installed = new Installed(world, layout, iptables, ipset, new FlowExplainer(world, _names)) { InterfaceProblems = plan.Problems };
        Explainer = _installed.Explainer;
        var kept = layout.Sets.Select(set => set.Name).ToHashSet();
        _garbage = [.. _garbage.Union(sets).Where(name => !kept.Contains(name))];
        iptables.Restore(
            Scripts(iptables, plan, (table, family, changes) => RestoreScript.Removing(table, changes.Written, saved[(table, family)], _names.IsOwn)),
            LogLockHeld);
        LeaveOtherBackend(iptables.Backend);
        return new ApplyResult(_installed.Problems);
    }

    private void Execute(Installed installed, Plan plan)
    {
        installed.SetsVersion++;
        installed.Ipset.Restore(plan.SetsBefore.ToString());
        if (installed.Iptables.Backend.WaitsForRemoved)
        {
            Switch(installed, Scripts(installed.Iptables, plan, (table, _, changes) => RestoreScript.Ahead(table, changes)));
            foreach (var (table, family) in installed.Iptables.Tables(Families).SelectMany(table => Families.Select(family => (table, family))))
            {
                installed.Leftovers.Of(table, family).AddLeftovers(plan.Of(table, family));
            }
        }
        else
        {
            Switch(installed, Scripts(installed.Iptables, plan, (table, _, changes) => RestoreScript.Of(table, changes)));
        }

        installed.Ipset.Restore(plan.SetsAdded.Append(plan.SetsRemoved).ToString());
    }

    private void Switch(Installed installed, Dictionary<IpFamily, string> scripts)
    {
        if (scripts.Values.Any(script => script.Length > 0))
        {
            installed.Fingerprint = null;
            installed.ChainsVersion++;
            installed.Iptables.Restore(scripts, LogLockHeld);
        }
    }

    private Dictionary<IpFamily, string> Scripts(IptablesTool iptables, Plan plan, Func<string, IpFamily, ChainChanges, string> script)
    {
        var tables = iptables.Tables(Families);
        return Families.ToDictionary(
            family => family, family => string.Concat(tables.Select(table => script(table, family, plan.Of(table, family)))));
    }

    private (IptablesTool Iptables, IpsetTool Ipset) Connect()
    {
        if (_backend is null)
        {
            var choice = BackendDetector.Detect();
            _backend = choice.Backend;
            LogBackend(_backend.Name, choice.Reason);
        }

        Families = FamiliesOfMachine();
        return (_iptables ??= new IptablesTool(_backend), IpsetTool.Find());
    }

    // A machine without IPv6 has no packets of it to judge.
    private static IReadOnlyList<IpFamily> FamiliesOfMachine() =>
        File.Exists("/proc/thread-self/net/if_inet6") ? [IpFamily.IPv4, IpFamily.IPv6] : [IpFamily.IPv4];

    // Groups are 16 bits: two instances may share one, so every report carries the instance's prefix too.
    private static ushort GroupOf(string instance)
    {
        var hash = 2166136261u;
        foreach (var letter in instance)
        {
            hash = (hash ^ letter) * 16777619;
        }

        return (ushort)(1000 + (hash % 60000));
    }

    [LoggerMessage(4001, LogLevel.Information, "The iptables backend is {Backend}: {Reason}")]
    private partial void LogBackend(string backend, string reason);

    [LoggerMessage(4002, LogLevel.Warning, "{Holder}; waiting for it")]
    private partial void LogLockHeld(string holder);
}
