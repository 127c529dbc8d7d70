using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Ebpf;

/// <content>Repair of what somebody else removed.</content>
internal sealed partial class EbpfDatapath
{
    /// <summary>How long a TCX link may be missing: the kernel tells nobody.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(1);

    private TcWatch? _watch;
    private long _driftRepairs;

    private void Watch() => _watch ??= new TcWatch(RepairDrift, CheckInterval);

    private void StopWatching()
    {
        _watch?.Dispose();
        _watch = null;
    }

    /// <summary>Attaches again wherever a program of ours is missing.</summary>
    private void RepairDrift(bool isTold)
    {
        using var hooks = _hooks.EnterScope();
        if (!isTold && !_attachments.AreLinks)
        {
            return;
        }

        foreach (var plan in _plans.Values)
        {
            try
            {
                if (_generation is null || _attachments.IsComplete(plan.Ifindex) || !Interfaces.Exists(plan.Ifindex))
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
