using System.Text;
using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf;

/// <summary>
/// Closes interfaces that are still to come: nothing that policy may deny passes one before the programs are on it. Where the kernel has no
/// programs at netfilter's hooks (before Linux 6.4) they are open until then.
/// </summary>
/// <remarks>
/// Nothing of it outlives the process: without an agent nobody would open what is closed. At the hooks only while there is something to wait
/// for, because every packet of the machine passes there. Thread-safe; works in the network namespace of the calling thread.
/// </remarks>
internal sealed partial class InterfaceGate(ILogger logger) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly List<FdHandle> _links = [];
    private Dictionary<string, PcAwaited> _awaited = [];
    private BpfObject? _programs;
    private bool _isRefused;

    /// <summary>What these endpoints wait for, by the name of the interface.</summary>
    /// <param name="endpoints">The endpoints.</param>
    /// <param name="mayDeny">Whether a rule set denies anything.</param>
    public static Dictionary<string, PcAwaited> AwaitedBy(IEnumerable<Endpoint> endpoints, Predicate<RuleSetId> mayDeny)
    {
        byte Closed(RuleSetId? rules, Direction direction) => rules is { } id && mayDeny(id) ? (byte)(direction + 1) : (byte)0;

        var awaited = new Dictionary<string, PcAwaited>();
        foreach (var endpoint in endpoints.Where(endpoint => endpoint.Link is null))
        {
            var (ingress, egress) = (Closed(endpoint.Ingress, Direction.Ingress), Closed(endpoint.Egress, Direction.Egress));
            if (ingress + egress == 0)
            {
                continue;
            }

            // What comes in by an interface is what the workload behind it sends.
            var (into, from) = endpoint.Side == InterfaceSide.Peer ? (egress, ingress) : (ingress, egress);
            foreach (var name in endpoint.AwaitedInterfaces)
            {
                var other = awaited.GetValueOrDefault(name);
                awaited[name] = new PcAwaited { In = Math.Max(into, other.In), Out = Math.Max(from, other.Out) };
            }
        }

        return awaited;
    }

    /// <summary>Closes these interfaces as well.</summary>
    public void Add(IReadOnlyDictionary<string, PcAwaited> awaited)
    {
        using var scope = _lock.EnterScope();
        if (_isRefused || awaited.Count == 0)
        {
            return;
        }

        try
        {
            _programs ??= Load();
            foreach (var (name, closed) in awaited.Except(_awaited).ToList())
            {
                BpfMap.Set(_programs.MapFd("pc_awaited"), KeyOf(name), closed, $"closing interface {name}");
                _awaited[name] = closed;
            }

            if (_links.Count == 0)
            {
                foreach (var family in NetfilterLinks.Families)
                {
                    _links.Add(NetfilterLinks.Create(_programs.ProgramFd("portcullis_gate_in"), family, NetfilterHook.PreRouting));
                    _links.Add(NetfilterLinks.Create(_programs.ProgramFd("portcullis_gate_out"), family, NetfilterHook.PostRouting));
                }
            }
        }
        catch (Exception e) when (e is DatapathException or FeatureNotSupportedException)
        {
            _isRefused = true;
            Log.Refused(logger, e.Message);
            Clear();
        }
    }

    /// <summary>Opens all interfaces but these.</summary>
    public void RemoveAllBut(IReadOnlyDictionary<string, PcAwaited> awaited)
    {
        using var scope = _lock.EnterScope();
        foreach (var name in _awaited.Keys.Where(name => !awaited.ContainsKey(name)).ToList())
        {
            BpfMap.Delete(_programs!.MapFd("pc_awaited"), KeyOf(name), $"opening interface {name}");
            _awaited.Remove(name);
        }

        if (_awaited.Count == 0)
        {
            Unlink();
        }
    }

    /// <summary>Adds the packets that were dropped to <paramref name="sums"/> of <see cref="Pc.Counters"/> entries.</summary>
    public void AddCounters(Span<PcCounter> sums)
    {
        using var scope = _lock.EnterScope();
        if (_programs is null)
        {
            return;
        }

        foreach (var direction in Enum.GetValues<Direction>())
        {
            sums[((int)direction * Pc.Reasons) + (int)PcReason.Closed].Add(BpfMap.Counter(_programs.MapFd("pc_held_back"), (uint)direction));
        }
    }

    /// <summary>Opens all interfaces and leaves nothing in the kernel. It may be used again.</summary>
    public void Dispose()
    {
        using var scope = _lock.EnterScope();
        Clear();
    }

    private static BpfObject Load()
    {
        var programs = BpfObject.Open("gate.bpf.o");
        try
        {
            programs.SetKind(NetfilterLinks.ProgramType, NetfilterLinks.AttachType);
            programs.Load();
            return programs;
        }
        catch
        {
            programs.Dispose();
            throw;
        }
    }

    private static PcInterfaceName KeyOf(string name)
    {
        PcInterfaceName key = default;
        Encoding.UTF8.TryGetBytes(name, key, out _);
        return key;
    }

    private void Clear()
    {
        Unlink();
        _awaited = [];
        _programs?.Dispose();
        _programs = null;
    }

    private void Unlink()
    {
        _links.ForEach(link => link.Dispose());
        _links.Clear();
    }

    private static partial class Log
    {
        [LoggerMessage(EventId = 3008, Level = LogLevel.Warning, Message = "A new interface is open until the eBPF programs are on it, some milliseconds: the kernel does not let packets be held back ({Reason})")]
        public static partial void Refused(ILogger logger, string reason);
    }
}
