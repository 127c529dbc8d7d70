using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf;

/// <content>Repair of what somebody else removed.</content>
internal sealed partial class EbpfDatapath
{
    /// <summary>How long a TCX link may be missing: the kernel tells nobody.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(1);

    /// <summary>Interfaces of plans that are gone. What has their index by now is another's: nothing of ours belongs there.</summary>
    private readonly HashSet<Link> _gone = [];

    private TcWatch? _watch;
    private long _driftRepairs;

    private void Watch() => _watch ??= new TcWatch(RepairDrift, CheckInterval);

    private void StopWatching()
    {
        _watch?.Dispose();
        _watch = null;
    }

    /// <summary>Attaches again wherever a program of ours is missing.</summary>
    private void RepairDrift(TcChange change)
    {
        using var hooks = _hooks.EnterScope();
        if (_generation is null || (!change.IsTold && !_attachments.AreLinks))
        {
            return;
        }

        foreach (var plan in _plans.Values)
        {
            try
            {
                if (_gone.Contains(plan.Link) || _attachments.IsComplete(plan.Ifindex))
                {
                    continue;
                }

                // With the interface its programs went. If they are there, this is the plan of its successor already.
                if (change.Removed.Contains(plan.Ifindex))
                {
                    _gone.Add(plan.Link);
                    continue;
                }

                if (!Interfaces.List().TryGetValue(plan.Ifindex, out var name) || name != plan.Name)
                {
                    continue;
                }

                _attachments.Attach(plan.Ifindex, _generation.IngressProgram, _generation.EgressProgram);
                Interlocked.Increment(ref _driftRepairs);
                Log.Repaired(_logger, plan.Name);
            }
            catch (Exception e) when (e is DatapathException or IOException or UnauthorizedAccessException)
            {
                // The next check tries again.
                Log.NotRepaired(_logger, plan.Name, e);
            }
        }
    }
}
