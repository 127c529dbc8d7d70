using System.Threading.Channels;
using Portcullis.Policy.Manifests;
using Portcullis.Sources.Files.Native;

namespace Portcullis.Sources.Files;

/// <summary>
/// Watches the folders of a <see cref="WatchPlan"/> and gathers what happens to their files. A file that is open for writing is
/// not reported before it is closed, so nobody reads half of it.
/// </summary>
/// <remarks>One thread reads the kernel's queue; everything else is guarded by one lock.</remarks>
internal sealed class FolderWatcher : IDisposable
{
    private const uint StructureMask =
        LibC.IN_CREATE | LibC.IN_DELETE | LibC.IN_MOVED_FROM | LibC.IN_MOVED_TO | LibC.IN_DELETE_SELF | LibC.IN_MOVE_SELF;

    private const uint ContentMask = LibC.IN_MODIFY | LibC.IN_CLOSE_WRITE | LibC.IN_ATTRIB;

    /// <summary>So long nothing must happen before a burst of events is over.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(5);

    /// <summary>The same after a file was removed: editors remove or rename a file before they write it anew.</summary>
    private static readonly TimeSpan QuietAfterRemoval = TimeSpan.FromMilliseconds(20);

    /// <summary>A burst ends after this time whatever happens.</summary>
    private static readonly TimeSpan LongestBurst = TimeSpan.FromMilliseconds(50);

    /// <summary>A file whose writer pauses this long without closing it is read all the same.</summary>
    private static readonly TimeSpan WriterPause = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly Inotify _inotify = new();
    private readonly Thread _thread;
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Dictionary<string, int> _watches = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _writing = new(StringComparer.Ordinal);
    private HashSet<string> _saved = new(StringComparer.Ordinal);
    private WatchPlan _plan = new();
    private bool _changed;
    private bool _removed;
    private long _firstEvent;
    private long _lastEvent;
    private string? _failure;

    /// <exception cref="IOException">The kernel has no inotify instance left.</exception>
    public FolderWatcher(TimeProvider time)
    {
        _time = time;
        _thread = new Thread(ReadEvents) { IsBackground = true, Name = "portcullis-inotify" };
        _thread.Start();
    }

    /// <summary>Why no event is told of any more; null while they are.</summary>
    public string? Failure
    {
        get
        {
            lock (_lock)
            {
                return _failure;
            }
        }
    }

    /// <summary>Watches what the plan names and nothing else. Returns whether a folder is new, and folders that cannot be watched with the reason.</summary>
    public bool Follow(WatchPlan plan, IDictionary<string, string> failures)
    {
        lock (_lock)
        {
            _plan = plan;
            var added = false;
            foreach (var folder in plan.Names.Keys.Union(plan.Folders, StringComparer.Ordinal))
            {
                added |= Watch(folder, plan, failures);
            }

            foreach (var folder in _watches.Keys.Where(folder => !plan.Names.ContainsKey(folder) && !plan.Folders.Contains(folder)).ToList())
            {
                // Two paths can lead to one inode, and then share its watch.
                if (_watches.Remove(folder, out var watch) && !_watches.ContainsValue(watch))
                {
                    _inotify.Unwatch(watch);
                }
            }

            return added;
        }
    }

    /// <summary>Whether a file is being written: its content is not to be trusted.</summary>
    public bool IsBeingWritten(string realPath)
    {
        lock (_lock)
        {
            return _writing.ContainsKey(realPath);
        }
    }

    /// <summary>Says that a file changed while it was read; it is reported again when its writer is done.</summary>
    public void ReportTornRead(string realPath)
    {
        lock (_lock)
        {
            if (!_saved.Contains(realPath))
            {
                NoteWriter(realPath);
            }
        }
    }

    /// <summary>Waits for a burst of events to begin and to end; null when nothing happened for <paramref name="limit"/>.</summary>
    public async Task<FileActivity?> WaitAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        var start = _time.GetTimestamp();
        while (true)
        {
            var (pause, ended) = NextPause(limit - _time.GetElapsedTime(start));
            if (ended)
            {
                return Take();
            }

            if (pause <= TimeSpan.Zero)
            {
                return null;
            }

            await WaitForSignalAsync(pause, cancellationToken);
        }
    }

    public void Dispose()
    {
        _inotify.Wake();
        _thread.Join();
        _inotify.Dispose();
    }

    /// <summary>How long to wait for the next event, and whether a burst has ended already.</summary>
    private (TimeSpan Pause, bool Ended) NextPause(TimeSpan limit)
    {
        lock (_lock)
        {
            foreach (var (path, since) in _writing.ToList())
            {
                var left = WriterPause - _time.GetElapsedTime(since);
                if (left <= TimeSpan.Zero)
                {
                    _writing.Remove(path);
                    Save(path);
                }
                else if (left < limit)
                {
                    limit = left;
                }
            }

            if (!_changed)
            {
                return (limit, false);
            }

            var quiet = (_removed ? QuietAfterRemoval : Quiet) - _time.GetElapsedTime(_lastEvent);
            var longest = LongestBurst - _time.GetElapsedTime(_firstEvent);
            var pause = quiet < longest ? quiet : longest;
            return (pause, pause <= TimeSpan.Zero);
        }
    }

    private async Task WaitForSignalAsync(TimeSpan pause, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(pause, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await _signal.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The pause is over.
        }
    }

    private FileActivity Take()
    {
        lock (_lock)
        {
            var activity = new FileActivity(_saved, _firstEvent);
            _saved = new HashSet<string>(StringComparer.Ordinal);
            _changed = false;
            _removed = false;
            return activity;
        }
    }

    private bool Watch(string folder, WatchPlan plan, IDictionary<string, string> failures)
    {
        // Added again also when it is watched: the path may lead to another inode now, and the mask may differ.
        var watch = _inotify.Watch(folder, StructureMask | ContentMask, out var error);
        if (watch < 0)
        {
            failures[folder] = error;
            return false;
        }

        var added = !_watches.TryGetValue(folder, out var before) || before != watch;
        _watches[folder] = watch;
        return added;
    }

    private void ReadEvents()
    {
        var events = new List<InotifyEvent>();
        try
        {
            while (_inotify.WaitForEvents())
            {
                events.Clear();
                _inotify.Read(events);
                lock (_lock)
                {
                    events.ForEach(Handle);
                }
            }
        }
        catch (IOException exception)
        {
            lock (_lock)
            {
                _failure = exception.Message;
                Wake();
            }
        }
    }

    private void Handle(InotifyEvent change)
    {
        const uint Structure = LibC.IN_Q_OVERFLOW | LibC.IN_IGNORED | LibC.IN_UNMOUNT | LibC.IN_DELETE_SELF | LibC.IN_MOVE_SELF;
        if ((change.Mask & Structure) != 0)
        {
            Wake();
            return;
        }

        foreach (var (folder, watch) in _watches)
        {
            if (watch == change.Watch && Matters(folder, change.Name))
            {
                Handle(Path.Combine(folder, change.Name), change.Mask);
            }
        }
    }

    private bool Matters(string folder, string name) =>
        (_plan.Names.TryGetValue(folder, out var names) && names.Contains(name))
        || (_plan.Folders.Contains(folder) && ManifestPaths.IsManifest(name));

    private void Handle(string path, uint mask)
    {
        var isFolder = (mask & LibC.IN_ISDIR) != 0;
        if ((mask & (LibC.IN_DELETE | LibC.IN_MOVED_FROM)) != 0)
        {
            _removed = true;
            Save(path);
        }
        else if ((mask & (LibC.IN_CLOSE_WRITE | LibC.IN_MOVED_TO)) != 0 || isFolder)
        {
            Save(path);
        }
        else if ((mask & LibC.IN_MODIFY) != 0)
        {
            NoteWriter(path);
        }
        else if ((mask & LibC.IN_CREATE) != 0 && new FileInfo(path).LinkTarget is null && FileStamp.Of(path, out _) is { IsRegular: true, IsLinked: false })
        {
            // Its writer has it open; links have no writer.
            NoteWriter(path);
        }
        else
        {
            Wake();
        }
    }

    /// <summary>Starts the pause after which the file is read even if it is not closed; the waiter has to know of it.</summary>
    private void NoteWriter(string path)
    {
        _writing[path] = _time.GetTimestamp();
        _signal.Writer.TryWrite(true);
    }

    private void Save(string path)
    {
        _writing.Remove(path);
        _saved.Add(path);
        Wake();
    }

    private void Wake()
    {
        _lastEvent = _time.GetTimestamp();
        if (!_changed)
        {
            _changed = true;
            _firstEvent = _lastEvent;
        }

        _signal.Writer.TryWrite(true);
    }
}
