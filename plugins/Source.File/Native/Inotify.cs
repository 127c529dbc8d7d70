using System.Runtime.InteropServices;
using System.Text;

namespace Portcullis.Sources.Files.Native;

/// <summary>One event of an inotify queue; the name is empty when the event is about the watched folder itself.</summary>
internal readonly record struct InotifyEvent(int Watch, uint Mask, string Name);

/// <summary>An inotify queue and a way to wake its reader. Watching is thread-safe; one thread reads.</summary>
internal sealed unsafe class Inotify : IDisposable
{
    private const int BufferSize = 64 * 1024;
    private const int HeaderSize = 16;

    private readonly int _queue;
    private readonly int _wake;
    private readonly byte[] _buffer = new byte[BufferSize];

    /// <exception cref="IOException">The kernel has no inotify instance left.</exception>
    public Inotify()
    {
        _queue = LibC.inotify_init1(LibC.O_NONBLOCK | LibC.O_CLOEXEC);
        if (_queue < 0)
        {
            throw new IOException($"inotify: {LastError()}; raise fs.inotify.max_user_instances");
        }

        _wake = LibC.eventfd(0, LibC.O_NONBLOCK | LibC.O_CLOEXEC);
        if (_wake < 0)
        {
            var error = LastError();
            _ = LibC.close(_queue);
            throw new IOException($"eventfd: {error}");
        }
    }

    /// <summary>Watches a folder and returns the watch, or a negative number and why.</summary>
    public int Watch(string folder, uint mask, out string error)
    {
        var watch = LibC.inotify_add_watch(_queue, folder, mask | LibC.IN_ONLYDIR);
        error = watch >= 0 ? string.Empty
            : Marshal.GetLastPInvokeError() == LibC.ENOSPC ? "no watches left; raise fs.inotify.max_user_watches"
            : LastError();
        return watch;
    }

    /// <summary>Ends a watch. One that has ended by itself is no error.</summary>
    public void Unwatch(int watch) => _ = LibC.inotify_rm_watch(_queue, watch);

    /// <summary>Makes <see cref="WaitForEvents"/> return false, now and ever after.</summary>
    public void Wake()
    {
        var one = 1UL;
        _ = LibC.write(_wake, (byte*)&one, sizeof(ulong));
    }

    /// <summary>Waits until events are there; false when woken.</summary>
    /// <exception cref="IOException">The kernel refuses.</exception>
    public bool WaitForEvents()
    {
        var descriptors = stackalloc LibC.PollFd[2];
        descriptors[0] = new LibC.PollFd { Fd = _queue, Events = LibC.POLLIN };
        descriptors[1] = new LibC.PollFd { Fd = _wake, Events = LibC.POLLIN };
        while (LibC.poll(descriptors, 2, -1) < 0)
        {
            if (Marshal.GetLastPInvokeError() != LibC.EINTR)
            {
                throw new IOException($"inotify: poll: {LastError()}");
            }
        }

        return descriptors[1].Revents == 0;
    }

    /// <summary>Appends the events that are there now.</summary>
    /// <exception cref="IOException">The kernel refuses.</exception>
    public void Read(List<InotifyEvent> events)
    {
        fixed (byte* buffer = _buffer)
        {
            nint length;
            while ((length = LibC.read(_queue, buffer, BufferSize)) < 0 && Marshal.GetLastPInvokeError() == LibC.EINTR)
            {
            }

            if (length < 0 && Marshal.GetLastPInvokeError() != LibC.EAGAIN)
            {
                throw new IOException($"inotify: read: {LastError()}");
            }

            Parse(_buffer.AsSpan(0, (int)Math.Max(0, length)), events);
        }
    }

    public void Dispose()
    {
        _ = LibC.close(_queue);
        _ = LibC.close(_wake);
    }

    /// <summary>struct inotify_event: watch, mask, cookie, length of the name that follows, padded with NUL.</summary>
    private static void Parse(ReadOnlySpan<byte> bytes, List<InotifyEvent> events)
    {
        while (bytes.Length >= HeaderSize)
        {
            var nameLength = MemoryMarshal.Read<int>(bytes[12..]);
            var name = bytes.Slice(HeaderSize, nameLength);
            var end = name.IndexOf((byte)0);
            events.Add(new InotifyEvent(
                MemoryMarshal.Read<int>(bytes),
                MemoryMarshal.Read<uint>(bytes[4..]),
                Encoding.UTF8.GetString(end < 0 ? name : name[..end])));
            bytes = bytes[(HeaderSize + nameLength)..];
        }
    }

    private static string LastError() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
}
