using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>
/// Says when somebody may have changed what is attached to the hooks of this network namespace: at once where the kernel tells
/// (filters and qdiscs), else at the next of regular calls (TCX links).
/// </summary>
internal sealed unsafe class TcWatch : IDisposable
{
    private readonly FdHandle _socket;
    private readonly FdHandle _stop;
    private readonly Thread _thread;
    private readonly Action<bool> _check;
    private readonly int _milliseconds;

    /// <summary>Starts watching the network namespace of the calling thread, on a thread of its own.</summary>
    /// <param name="check">Called on that thread, one call at a time, with whether the kernel told something; must not throw.</param>
    /// <param name="interval">How long to wait for the kernel at most.</param>
    public TcWatch(Action<bool> check, TimeSpan interval)
    {
        _check = check;
        _milliseconds = (int)interval.TotalMilliseconds;
        _socket = Open(LibC.socket(domain: 16, type: 3 | 0x80000, protocol: 0));
        _stop = Open(LibC.eventfd(0, 0x80000));

        // struct sockaddr_nl: family, padding, port, groups. The group of traffic control is RTMGRP_TC.
        const int NetlinkFamily = 16;
        const uint TrafficControl = 8;
        var address = stackalloc uint[] { NetlinkFamily, 0, TrafficControl };
        if (LibC.bind(_socket.Fd, address, 12) != 0)
        {
            throw new BpfException("subscribing to changes of traffic control", Marshal.GetLastPInvokeError());
        }

        // A new thread is in the namespaces of the one that starts it.
        _thread = new Thread(Run) { IsBackground = true, Name = "portcullis-tc" };
        _thread.Start();
    }

    public void Dispose()
    {
        var one = 1ul;
        _ = LibC.write(_stop.Fd, &one, sizeof(ulong));
        _thread.Join();
        _socket.Dispose();
        _stop.Dispose();
    }

    private static FdHandle Open(int fd)
    {
        var errno = Marshal.GetLastPInvokeError();
        return fd >= 0 ? new FdHandle(fd) : throw new BpfException("watching traffic control", errno);
    }

    private void Run()
    {
        var entries = stackalloc LibC.PollEntry[2];
        var buffer = stackalloc byte[8192];
        while (true)
        {
            entries[0] = new LibC.PollEntry { fd = _socket.Fd, events = LibC.POLLIN };
            entries[1] = new LibC.PollEntry { fd = _stop.Fd, events = LibC.POLLIN };
            _ = LibC.poll(entries, 2, _milliseconds);
            if (entries[1].revents != 0)
            {
                return;
            }

            // What the messages say does not matter, nor that some were lost: everything is looked at.
            while (LibC.recv(_socket.Fd, buffer, 8192, LibC.MSG_DONTWAIT) > 0)
            {
            }

            _check(entries[0].revents != 0);
        }
    }
}
