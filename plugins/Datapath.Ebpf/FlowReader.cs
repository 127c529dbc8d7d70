using System.Threading.Channels;
using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Datapath.Ebpf;

/// <summary>
/// Hands the events of the kernel to whoever watches. A thread of its own reads the ring while there is a watcher and allows
/// the programs so many events a second; with no watcher the programs send none.
/// </summary>
internal sealed class FlowReader
{
    private const int TicksPerSecond = 10;
    private const uint EventsPerTick = 1000;
    private const int WatcherBacklog = 10_000;

    private readonly Lock _lock = new();
    private readonly List<Channel<PcEvent>> _watchers = [];
    private EbpfGeneration? _generation;
    private Thread? _thread;
    private long _lost;

    /// <summary>Events that watchers did not take in time.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Follows the datapath to another generation, which shares the ring; null: there is none any more.</summary>
    public void Use(EbpfGeneration? generation)
    {
        lock (_lock)
        {
            _generation = generation;
            Allow();
            Start();
        }
    }

    /// <summary>A channel of all events from now on.</summary>
    public Channel<PcEvent> Watch()
    {
        var options = new BoundedChannelOptions(WatcherBacklog) { SingleReader = true, FullMode = BoundedChannelFullMode.DropOldest };
        var channel = Channel.CreateBounded<PcEvent>(options, _ => Interlocked.Increment(ref _lost));
        lock (_lock)
        {
            _watchers.Add(channel);
            Allow();
            Start();
        }

        return channel;
    }

    /// <summary>Ends a watch.</summary>
    public void Unwatch(Channel<PcEvent> channel)
    {
        lock (_lock)
        {
            _watchers.Remove(channel);
            Allow();
        }
    }

    private void Allow() => _generation?.AllowEvents(_watchers.Count > 0 ? EventsPerTick : null);

    private void Start()
    {
        if (_thread is null && _watchers.Count > 0 && _generation is not null)
        {
            _thread = new Thread(Read) { IsBackground = true, Name = "ebpf-events" };
            _thread.Start(new EventRing(_generation.EventsFd));
        }
    }

    private void Read(object? state)
    {
        using var ring = (EventRing)state!;
        try
        {
            while (Deliver(ring.Poll(1000 / TicksPerSecond)))
            {
            }
        }
        catch (BpfException e)
        {
            lock (_lock)
            {
                _thread = null;
                _watchers.ForEach(watcher => watcher.Writer.TryComplete(e));
                _watchers.Clear();
            }
        }
    }

    /// <summary>Whether somebody still watches; if not, the thread is over.</summary>
    private bool Deliver(IReadOnlyList<PcEvent> events)
    {
        lock (_lock)
        {
            foreach (var watcher in _watchers)
            {
                foreach (var happened in events)
                {
                    watcher.Writer.TryWrite(happened);
                }
            }

            Allow();
            if (_watchers.Count > 0 && _generation is not null)
            {
                return true;
            }

            _thread = null;
            return false;
        }
    }
}
