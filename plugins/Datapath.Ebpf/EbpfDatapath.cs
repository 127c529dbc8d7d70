using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapath.Ebpf.Tables;
using Portcullis.Datapaths;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf;

/// <summary>Enforces by eBPF programs on the TC hooks of every endpoint's interface.</summary>
internal sealed partial class EbpfDatapath : IDatapath
{
    public const string PluginName = "ebpf";

    private readonly DatapathSettings _settings;
    private readonly ILogger<EbpfDatapath> _logger;
    private readonly TimeProvider _time;
    private readonly EbpfPaths _paths;
    private readonly Attachments _attachments;
    private readonly InterfaceGate _gate;

    /// <summary>Held while hooks of interfaces are changed: by a caller, or by <see cref="RepairDrift"/>.</summary>
    private readonly Lock _hooks = new();

    /// <summary>Guards what <see cref="GetStatus"/> reads while <see cref="ApplyAsync"/> replaces it.</summary>
    private readonly Lock _lock = new();

    private readonly PolicyCounts _policyCounts = new();
    private readonly PcCounter[] _countedBefore = new PcCounter[Pc.Counters];
    private Dictionary<NamespacedName, Endpoint> _endpoints = [];
    private Dictionary<int, InterfacePlan> _plans = [];
    private EbpfGeneration? _generation;
    private RuleLowering? _lowering;

    /// <summary>
    /// Takes out what the last change set made unused. It waits until running programs have ended, for which nobody who waits for the
    /// change set has to wait; nor has one that only changes endpoints.
    /// </summary>
    private Task _removal = Task.CompletedTask;

    /// <summary>Interfaces whose permits <see cref="_removal"/> takes away.</summary>
    private readonly HashSet<int> _forgetting = [];

    /// <summary>Interfaces that were there before this process enforced anything: they may carry traffic that was not policed until now.</summary>
    private HashSet<int> _older = [];

    /// <summary>The table that became full when something was taken out.</summary>
    private volatile TableFullException? _full;

    public EbpfDatapath(DatapathSettings settings, ILogger<EbpfDatapath> logger, TimeProvider time)
    {
        _settings = settings;
        _logger = logger;
        _time = time;
        _paths = new EbpfPaths(settings.Instance);
        _attachments = new Attachments(settings.Instance, _paths);
        _gate = new InterfaceGate(logger);
    }

    /// <summary>Whether to attach by clsact filters even where the kernel has TCX links.</summary>
    public bool AvoidTcx
    {
        get => _attachments.AvoidTcx;
        init => _attachments.AvoidTcx = value;
    }

    /// <summary>Whether filters stand in for TCX links on every interface, and stay.</summary>
    public bool KeepStandIns { get; init; }

    /// <inheritdoc/>
    public string Name => PluginName;

    /// <inheritdoc/>
    public ValueTask<DatapathSupport> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            CheckMounted(forWriting: true);
            CheckCapabilities();
            using var generation = EbpfGeneration.Load(TableCapacities.Estimate(new CompiledWorld()), PcConfigFlags.None, paths: null);
            return new(new DatapathSupport(true, "the kernel takes the eBPF programs"));
        }
        catch (Exception e) when (e is FeatureNotSupportedException or DatapathException)
        {
            return new(new DatapathSupport(false, e.Message));
        }
    }

    /// <inheritdoc/>
    public ValueTask<ApplyResult> ApplyAsync(ChangeSet changes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(changes);
        cancellationToken.ThrowIfCancellationRequested();
        CheckMounted(forWriting: _lowering is null || changes.Replace);
        var full = _full;
        if (full is not null || NeedsTables(changes) || changes.Endpoints.Any(endpoint => endpoint.Link is { } link && _forgetting.Contains(link.Index)))
        {
            EndRemoval();
            full = _full;
        }

        var endpoints = Merge(changes);
        var problems = new List<Finding>();
        using var hooks = _hooks.EnterScope();
        try
        {
            if (_lowering is null || changes.Replace)
            {
                // A world of its own: ids from before do not carry over.
                var world = new CompiledWorld();
                world.Apply(changes with { Replace = false });
                Switch(world, endpoints, TableCapacities.Estimate(world), problems);
            }
            else
            {
                if (full is not null)
                {
                    Grow(_lowering, full, _endpoints, []);
                }

                ApplyInPlace(changes, endpoints, problems);
            }

            _gate.RemoveAllBut(InterfaceGate.AwaitedBy(endpoints.Values, _lowering!.MayDeny));
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or KeyNotFoundException or IOException or UnauthorizedAccessException)
        {
            throw new DatapathException($"eBPF datapath: revision {changes.Revision} cannot be applied: {e.Message}", isTransient: false, e);
        }

        _endpoints = endpoints;
        return new(problems.Count == 0 ? ApplyResult.Complete : new ApplyResult(problems));
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<string>> CleanupAsync(bool allInstances, CancellationToken cancellationToken)
    {
        EndRemoval();
        StopWatching();
        using var hooks = _hooks.EnterScope();
        try
        {
            var removed = _attachments.RemoveAll(allInstances, cancellationToken);
            foreach (var folder in _attachments.Folders(allInstances).ToArray())
            {
                cancellationToken.ThrowIfCancellationRequested();
                Directory.Delete(folder, recursive: true);
                removed.Add($"pins in {folder}");
            }

            if (Directory.Exists(EbpfPaths.Root) && !Directory.EnumerateFileSystemEntries(EbpfPaths.Root).Any())
            {
                Directory.Delete(EbpfPaths.Root);
            }

            Forget();
            return new(removed);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DatapathException(
                $"{EbpfPaths.Root} cannot be emptied: {e.Message}: if an agent runs in another network namespace, stop it first; if it is read-only, remount it",
                isTransient: false,
                e);
        }
    }

    /// <inheritdoc/>
    public DatapathStatus GetStatus()
    {
        lock (_lock)
        {
            if (_generation is null || _lowering is null)
            {
                return new DatapathStatus();
            }

            var counters = (PcCounter[])_countedBefore.Clone();
            _generation.AddCounters(counters);
            _gate.AddCounters(counters);
            return new DatapathStatus
            {
                Packets = Reasons.Count(counters),
                Policies = _policyCounts.Read(_lowering, _generation),
                Tables = [.. _lowering.Usage, new TableUsage("endpoints", _generation.Endpoints, Pc.EndpointSlots)],
                DriftRepairs = _driftRepairs,
                FlowEventsLost = (long)counters[Pc.CounterEventsLost].Packets + _flows.Lost,
            };
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        EndRemoval();
        // Attached programs keep themselves and their tables alive.
        StopWatching();
        Forget();
        return ValueTask.CompletedTask;
    }

    /// <summary>Whether a change set is about more than endpoints.</summary>
    private static bool NeedsTables(ChangeSet changes) =>
        changes.Replace || changes is not { PeerSets.IsEmpty: true, RemovedPeerSets.IsEmpty: true, RuleSets.IsEmpty: true, RemovedRuleSets.IsEmpty: true };

    /// <param name="generation">Where.</param>
    /// <param name="lowering">What the rules have to be taken out of; null: there are none.</param>
    /// <param name="gone">Interfaces that are gone.</param>
    private void BeginRemoval(EbpfGeneration generation, RuleLowering? lowering, HashSet<int> gone)
    {
        var before = _removal;
        _forgetting.UnionWith(gone);
        _removal = Task.Run(async () =>
        {
            await before;
            if (gone.Count > 0)
            {
                generation.ForgetPermits(gone.Contains);
            }

            if (lowering is null)
            {
                return;
            }

            lowering.WaitForPackets();
            using var hooks = _hooks.EnterScope();
            try
            {
                lowering.Complete();
            }
            catch (TableFullException full)
            {
                _full = full;
            }
        });
    }

    // Waits on this thread, at most for a grace period: interfaces are those of its network namespace, and a continuation could run in another.
    private void EndRemoval()
    {
        var removal = _removal;
        _removal = Task.CompletedTask;
        _forgetting.Clear();
        removal.GetAwaiter().GetResult();
    }

    // A change in place writes there only what belongs to a new interface.
    private static void CheckMounted(bool forWriting)
    {
        switch (EbpfPaths.IsWritable())
        {
            case null:
                throw new FeatureNotSupportedException("bpffs", $"not mounted: mount -t bpf bpf {EbpfPaths.FileSystem}");
            case false when forWriting:
                throw new FeatureNotSupportedException("bpffs", $"mounted read-only: mount -o remount,rw {EbpfPaths.FileSystem}");
        }
    }

    /// <summary>Without CAP_NET_ADMIN programs can be loaded but not attached; without the others the kernel names no reason.</summary>
    private static void CheckCapabilities()
    {
        // Bits of linux/capability.h. CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON.
        const ulong netAdmin = 1UL << 12;
        const ulong sysAdmin = 1UL << 21;
        const ulong bpf = (1UL << 38) | (1UL << 39);
        const string field = "CapEff:";
        var line = File.ReadLines("/proc/thread-self/status").First(line => line.StartsWith(field, StringComparison.Ordinal));
        var effective = Convert.ToUInt64(line[field.Length..].Trim(), 16);
        if ((effective & netAdmin) == 0 || ((effective & sysAdmin) == 0 && (effective & bpf) != bpf))
        {
            throw new FeatureNotSupportedException("eBPF", BpfObject.NeededPrivileges);
        }
    }

    private Dictionary<NamespacedName, Endpoint> Merge(ChangeSet changes)
    {
        var endpoints = changes.Replace ? [] : new Dictionary<NamespacedName, Endpoint>(_endpoints);
        foreach (var name in changes.RemovedEndpoints)
        {
            endpoints.Remove(name);
        }

        foreach (var endpoint in changes.Endpoints)
        {
            endpoints[endpoint.Workload] = endpoint;
        }

        return endpoints;
    }

    private void ApplyInPlace(ChangeSet changes, Dictionary<NamespacedName, Endpoint> endpoints, List<Finding> problems)
    {
        var lowering = _lowering!;
        try
        {
            var needsTables = NeedsTables(changes);
            if (needsTables)
            {
                lowering.Apply(changes);
            }

            _gate.Add(InterfaceGate.AwaitedBy(endpoints.Values, lowering.MayDeny));
            var plans = PlanAll(endpoints, lowering, problems);
            var gone = _plans.Keys.Where(ifindex => !plans.ContainsKey(ifindex)).ToHashSet();
            Enforce(_generation!, plans, problems);
            if (needsTables || gone.Count > 0)
            {
                BeginRemoval(_generation!, needsTables ? lowering : null, gone);
            }
        }
        catch (TableFullException now)
        {
            problems.Clear();
            Grow(lowering, now, endpoints, problems);
        }
    }

    private void Grow(RuleLowering lowering, TableFullException full, Dictionary<NamespacedName, Endpoint> endpoints, List<Finding> problems)
    {
        Log.Growing(_logger, full.Table, full.Capacity);
        var tables = _generation!.Tables;
        var capacities = new TableCapacities(tables.BlockCapacity, tables.Node6Capacity, tables.RowCapacity, tables.PageCapacity, tables.PortCapacity, tables.RuleCapacity);
        Switch(lowering.World, endpoints, capacities.Grow(full), problems);
    }

    /// <summary>Builds a complete generation beside the present one, then lets every interface use it.</summary>
    private void Switch(CompiledWorld world, Dictionary<NamespacedName, Endpoint> endpoints, TableCapacities capacities, List<Finding> problems)
    {
        Directory.CreateDirectory(_paths.Folder);
        var (generation, lowering) = Build(world, capacities);
        try
        {
            _gate.Add(InterfaceGate.AwaitedBy(endpoints.Values, lowering.MayDeny));
            var plans = PlanAll(endpoints, lowering, problems);
            ForgetReplaced(generation, plans);
            foreach (var plan in plans.Values)
            {
                Set(generation, plan, before: null, problems);
            }

            // Again once the programs see new flows: none is missed in between.
            TakeOverFlows(generation, plans);
            foreach (var plan in plans.Values)
            {
                Attach(generation, plan, problems);
            }

            ImportFlows(generation, plans);
            foreach (var ifindex in _attachments.Find().Where(ifindex => !plans.ContainsKey(ifindex)))
            {
                _attachments.Detach(ifindex);
            }

            generation.Pin(_paths);
            Adopt(generation, lowering, plans);
            Watch();
        }
        catch
        {
            // Interfaces that have it already go on with it: attached programs keep it alive.
            generation.Dispose();
            throw;
        }
    }

    /// <summary>What a process finds when it starts: permits of interfaces that are gone by now, and flows without permits.</summary>
    private void TakeOverFlows(EbpfGeneration generation, Dictionary<int, InterfacePlan> plans)
    {
        if (_generation is null)
        {
            _older = [.. Interfaces.List().Keys];
            var present = _attachments.FindAttached();
            generation.ForgetPermits(ifindex => !present.Contains(ifindex));
            ImportFlows(generation, plans);
        }
    }

    /// <summary>The first generation of a process also serves flows that no program of ours has seen open.</summary>
    private void ImportFlows(EbpfGeneration generation, Dictionary<int, InterfacePlan> plans)
    {
        if (_generation is not null)
        {
            return;
        }

        try
        {
            var count = new FlowImport(generation, plans.Values).Run();
            Log.Imported(_logger, count);
        }
        catch (BpfException e)
        {
            // TCP connections are still adopted by the programs, one by one.
            Log.NotImported(_logger, e.Message);
        }
    }

    private (EbpfGeneration Generation, RuleLowering Lowering) Build(CompiledWorld world, TableCapacities capacities)
    {
        var flags = _settings.Established == EstablishedConnections.Keep ? PcConfigFlags.KeepEstablished : PcConfigFlags.None;
        while (true)
        {
            var generation = EbpfGeneration.Load(capacities, flags, _paths, _generation?.EventsFd);
            try
            {
                generation.Tables.RuleReplaced = (number, rule) => _policyCounts.Keep(rule, generation.TakeRuleCounter(number));
                return (generation, new RuleLowering(generation.Tables, world));
            }
            catch (TableFullException full)
            {
                generation.Dispose();
                capacities = capacities.Grow(full);
            }
            catch
            {
                generation.Dispose();
                throw;
            }
        }
    }

    private void Adopt(EbpfGeneration generation, RuleLowering lowering, Dictionary<int, InterfacePlan> plans)
    {
        lock (_lock)
        {
            _generation?.AddCounters(_countedBefore);
            if (_generation is { } before && _lowering is { } lowered)
            {
                _policyCounts.KeepAll(lowered, before);
            }

            _flows.Use(generation);
            _generation?.Dispose();
            _generation = generation;
            _lowering = lowering;
            _full = null;
            _plans = plans;
        }
    }

    private Dictionary<int, InterfacePlan> PlanAll(Dictionary<NamespacedName, Endpoint> endpoints, RuleLowering lowering, List<Finding> problems)
    {
        var plans = new Dictionary<int, InterfacePlan>();
        if (lowering.UnfitAddresses > 0)
        {
            problems.Add(new Finding(
                FindingSeverity.Error, default, "peers", $"fall into more than the {AddressClasses.Capacity} classes there can be: {lowering.UnfitAddresses} blocks of addresses are denied by every rule set until others are gone; let fewer different selectors overlap"));
        }

        foreach (var endpoint in endpoints.Values)
        {
            if (InterfacePlan.For(endpoint, _settings.AllowSpoofing, id => lowering.Fits(id) ? lowering.RowReferenceOf(id) : 0) is not { } plan)
            {
                continue;
            }

            if (new[] { endpoint.Ingress, endpoint.Egress }.Any(id => id is { } known && !lowering.Fits(known)))
            {
                plan = plan.Close();
                problems.Add(new Finding(
                    FindingSeverity.Error, default, $"interface {plan.Name}", $"finds the table of {TableCapacities.MaxRows - 1} different rule sets full: {plan.Workload} is closed until another one is gone"));
            }

            if (!plans.TryAdd(plan.Ifindex, plan))
            {
                var other = plans[plan.Ifindex];
                plans[plan.Ifindex] = other.Close();
                problems.Add(new Finding(
                    FindingSeverity.Error, default, $"interface {plan.Name}", $"belongs to {other.Workload} and to {plan.Workload}: closed; name another interface for one of them"));
            }
        }

        return plans;
    }

    private void Enforce(EbpfGeneration generation, Dictionary<int, InterfacePlan> plans, List<Finding> problems)
    {
        ForgetReplaced(generation, plans);
        foreach (var plan in plans.Values)
        {
            var before = _plans.GetValueOrDefault(plan.Ifindex);
            if (before != plan || !generation.Has(plan.Ifindex))
            {
                Set(generation, plan, before, problems);
            }

            if (before?.Link != plan.Link)
            {
                Attach(generation, plan, problems);
            }
        }

        foreach (var gone in _plans.Values.Where(plan => !plans.ContainsKey(plan.Ifindex)))
        {
            _attachments.Detach(gone.Ifindex);
            generation.ClearEndpoint(gone);
        }


        lock (_lock)
        {
            _plans = plans;
        }
    }

    /// <summary>An interface that has the index of one that is gone does not have its permits.</summary>
    private void ForgetReplaced(EbpfGeneration generation, Dictionary<int, InterfacePlan> plans)
    {
        var replaced = plans.Values
            .Where(plan => _plans.TryGetValue(plan.Ifindex, out var before) && before.Link.Incarnation != plan.Link.Incarnation)
            .Select(plan => plan.Ifindex)
            .ToHashSet();
        if (replaced.Count > 0)
        {
            generation.ForgetPermits(replaced.Contains);
        }

        _gone.RemoveWhere(link => plans.GetValueOrDefault(link.Index)?.Link != link);
    }

    private static void Set(EbpfGeneration generation, InterfacePlan plan, InterfacePlan? before, List<Finding> problems)
    {
        if (!generation.SetEndpoint(plan, before))
        {
            problems.Add(new Finding(
                FindingSeverity.Error, default, $"interface {plan.Name}", $"finds the table of {Pc.EndpointSlots} endpoints full: {plan.Workload} is closed until one is removed"));
        }
    }

    private void Attach(EbpfGeneration generation, InterfacePlan plan, List<Finding> problems)
    {
        if (_gone.Contains(plan.Link))
        {
            problems.Add(Gone(plan));
            return;
        }

        try
        {
            _attachments.Attach(plan.Ifindex, generation.IngressProgram, generation.EgressProgram, isNew: KeepStandIns || !_older.Contains(plan.Ifindex));
            if (_attachments.Ahead(plan.Ifindex) is { } ahead)
            {
                problems.Add(new Finding(
                    FindingSeverity.Warning, default, $"interface {plan.Name}", $"has somebody else's program ahead of ours ({ahead}): what that accepts or drops is not judged; give it a later place"));
            }
        }
        catch (BpfException e) when (e.Errno is LibC.ENODEV)
        {
            problems.Add(Gone(plan));
        }
    }

    private static Finding Gone(InterfacePlan plan) => new(
        FindingSeverity.Warning, default, $"interface {plan.Name}", $"is gone: {plan.Workload} is not enforced until it is back");

    private void Forget()
    {
        _gate.Dispose();
        lock (_lock)
        {
            _flows.Use(null);
            _generation?.Dispose();
            _generation = null;
            _lowering = null;
            _full = null;
            _plans = [];
            _endpoints = [];
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventId = 3001, Level = LogLevel.Information, Message = "eBPF table {Table} is full ({Capacity} entries): building another generation")]
        public static partial void Growing(ILogger logger, string table, int capacity);

        [LoggerMessage(EventId = 3002, Level = LogLevel.Warning, Message = "Somebody had removed the eBPF programs from interface {Interface}: they are attached again")]
        public static partial void Repaired(ILogger logger, string @interface);

        [LoggerMessage(EventId = 3007, Level = LogLevel.Warning, Message = "Filters judge on interface {Index} and stay for now: no TCX link could be made")]
        public static partial void NotLinked(ILogger logger, int index, Exception exception);

        [LoggerMessage(EventId = 3005, Level = LogLevel.Debug, Message = "Judged {Count} flows again that the kernel's connection tracking knows")]
        public static partial void Imported(ILogger logger, int count);

        [LoggerMessage(EventId = 3006, Level = LogLevel.Warning, Message = "Flows that are older than the agent are not known, so their replies may be dropped until the flows send again: {Reason}")]
        public static partial void NotImported(ILogger logger, string reason);

        [LoggerMessage(EventId = 3003, Level = LogLevel.Error, Message = "Somebody has removed the eBPF programs from interface {Interface}, and they could not be attached again yet")]
        public static partial void NotRepaired(ILogger logger, string @interface, Exception exception);
    }
}
