using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf;

/// <content>Repair of what somebody else removed, and the links that filters stand in for.</content>
internal sealed partial class EbpfDatapath
{
    /// <summary>How long a TCX link may be missing: the kernel tells nobody.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long hooks have to be quiet before a link is made. Each holds the kernel's lock of all interfaces for about as long: who sets one up
    /// meanwhile waits for one link at most.
    /// </summary>
    private static readonly TimeSpan LinkPause = TimeSpan.FromMilliseconds(20);

    /// <summary>The same for interfaces: where one came, the next may follow, and its first packet wants a filter at once.</summary>
    private static readonly TimeSpan LinkDelay = TimeSpan.FromMilliseconds(500);

    /// <summary>Interfaces of plans that are gone. What has their index by now is another's: nothing of ours belongs there.</summary>
    private readonly HashSet<Link> _gone = [];

    /// <summary>Interfaces where filters stand in for links, as the watching thread has seen them.</summary>
    private readonly HashSet<int> _standIns = [];

    private TcWatch? _watch;
    private long _checkedAt;
    private long _linksChangedAt;
    private long _driftRepairs;

    private void Watch() => _watch ??= new TcWatch(Check);

    private void StopWatching()
    {
        _watch?.Dispose();
        _watch = null;
    }

    private TimeSpan Check(TcChange change)
    {
        Forget(change.Removed);
        if (change.IsOfLinks)
        {
            _linksChangedAt = _time.GetTimestamp();
        }

        // Links go without a word.
        if (change.IsUncertain || (_attachments.AreLinks && _time.GetElapsedTime(_checkedAt) >= CheckInterval))
        {
            _checkedAt = _time.GetTimestamp();
            foreach (var ifindex in Policed())
            {
                RepairDrift(ifindex, change.Removed);
            }
        }
        else
        {
            foreach (var ifindex in change.Interfaces)
            {
                RepairDrift(ifindex, change.Removed);
            }

            if (change.Interfaces.Count == 0 && _standIns.Count > 0 && !KeepStandIns && _time.GetElapsedTime(_linksChangedAt) >= LinkDelay)
            {
                MakeLink(_standIns.First());
            }
        }

        if (_standIns.Count == 0)
        {
            return CheckInterval;
        }

        var delay = LinkDelay - _time.GetElapsedTime(_linksChangedAt);
        return delay > LinkPause ? delay : LinkPause;
    }

    private int[] Policed()
    {
        using var hooks = _hooks.EnterScope();
        return [.. _plans.Keys];
    }

    private void Forget(IReadOnlyCollection<int> removed)
    {
        using var hooks = _hooks.EnterScope();
        _older.ExceptWith(removed);
    }

    /// <summary>Attaches again where a program of ours is missing.</summary>
    private void RepairDrift(int ifindex, IReadOnlyCollection<int> removed)
    {
        using var hooks = _hooks.EnterScope();
        _standIns.Remove(ifindex);
        if (_generation is null || !_plans.TryGetValue(ifindex, out var plan) || _gone.Contains(plan.Link))
        {
            return;
        }

        try
        {
            switch (_attachments.Look(ifindex))
            {
                case AttachmentState.Complete:
                    return;
                case AttachmentState.StandIn:
                    _standIns.Add(ifindex);
                    return;
            }

            // With the interface its programs went. If they are there, this is the plan of its successor already.
            if (removed.Contains(ifindex))
            {
                _gone.Add(plan.Link);
                return;
            }

            if (!Interfaces.List().TryGetValue(ifindex, out var name) || name != plan.Name)
            {
                return;
            }

            _attachments.Attach(ifindex, _generation.IngressProgram, _generation.EgressProgram, isNew: true);
            Interlocked.Increment(ref _driftRepairs);
            Log.Repaired(_logger, plan.Name);
        }
        catch (Exception e) when (e is DatapathException or IOException or UnauthorizedAccessException)
        {
            // The next check tries again.
            Log.NotRepaired(_logger, plan.Name, e);
        }
    }

    /// <summary>Makes one link, which then judges in the place of its filter. Nobody waits for it: the lock is not held.</summary>
    private void MakeLink(int ifindex)
    {
        // It is found again when the kernel tells that the filter is gone, if the other hook has one still, or by the next check of all interfaces.
        _standIns.Remove(ifindex);
        try
        {
            if (_attachments.FindStandIn(ifindex) is not { } hook)
            {
                return;
            }

            using var link = TcxLinks.CreateIdle(ifindex, hook);
            using var hooks = _hooks.EnterScope();

            // Where the filter is now, there its successor belongs.
            if (_generation is not null && _plans.ContainsKey(ifindex) && _attachments.FindStandIn(ifindex) == hook)
            {
                _attachments.UseLink(ifindex, hook, link, hook == TcHook.Ingress ? _generation.IngressProgram : _generation.EgressProgram);
            }
        }
        catch (Exception e) when (e is DatapathException or IOException or UnauthorizedAccessException)
        {
            Log.NotLinked(_logger, ifindex, e);
        }
    }
}
