using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>What may have changed.</summary>
/// <param name="Interfaces">The interfaces that the kernel told something of; none when it told nothing for as long as the last call said.</param>
/// <param name="Removed">Those that are gone; another may have the index by now.</param>
/// <param name="IsOfLinks">Whether an interface itself came, went or changed, not only what is attached to it.</param>
/// <param name="IsUncertain">Whether messages were lost: any interface may have changed.</param>
internal readonly record struct TcChange(IReadOnlyCollection<int> Interfaces, IReadOnlyCollection<int> Removed, bool IsOfLinks, bool IsUncertain);

/// <summary>
/// Says when somebody may have changed what is attached to the hooks of this network namespace: at once where the kernel tells
/// (interfaces, filters and qdiscs), else after a while in which it told nothing (TCX links).
/// </summary>
internal sealed unsafe class TcWatch : IDisposable
{
    private const int BufferBytes = 32768;

    private readonly FdHandle _socket;
    private readonly FdHandle _stop;
    private readonly Thread _thread;
    private readonly Func<TcChange, TimeSpan> _check;

    /// <summary>Starts watching the network namespace of the calling thread, on a thread of its own.</summary>
    /// <param name="check">Called on that thread, one call at a time; returns how long to wait for the kernel at most. Must not throw.</param>
    public TcWatch(Func<TcChange, TimeSpan> check)
    {
        _check = check;
        _socket = Netlink.Open(Netlink.Route);
        _stop = new FdHandle(LibC.eventfd(0, 0x80000));
        if (_stop.IsInvalid)
        {
            throw new BpfException("watching traffic control", Marshal.GetLastPInvokeError());
        }

        // struct sockaddr_nl: family, padding, port, groups (RTMGRP_LINK, RTMGRP_TC).
        const int NetlinkFamily = 16;
        const uint Links = 1;
        const uint TrafficControl = 8;
        var address = stackalloc uint[] { NetlinkFamily, 0, Links | TrafficControl };
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

    private void Run()
    {
        var entries = stackalloc LibC.PollEntry[2];
        var buffer = stackalloc byte[BufferBytes];
        var wait = _check(new TcChange([], [], IsOfLinks: true, IsUncertain: true));
        while (true)
        {
            entries[0] = new LibC.PollEntry { fd = _socket.Fd, events = LibC.POLLIN };
            entries[1] = new LibC.PollEntry { fd = _stop.Fd, events = LibC.POLLIN };
            _ = LibC.poll(entries, 2, (int)wait.TotalMilliseconds);
            if (entries[1].revents != 0)
            {
                return;
            }

            var (interfaces, removed) = (new HashSet<int>(), new HashSet<int>());
            var isOfLinks = false;
            nint length;
            while ((length = LibC.recv(_socket.Fd, buffer, BufferBytes, LibC.MSG_DONTWAIT)) > 0)
            {
                isOfLinks |= Read(new ReadOnlySpan<byte>(buffer, (int)length), interfaces, removed);
            }

            wait = _check(new TcChange(interfaces, removed, isOfLinks, Marshal.GetLastPInvokeError() == LibC.ENOBUFS));
        }
    }

    /// <summary>Whether one of the messages is of an interface itself.</summary>
    private static bool Read(ReadOnlySpan<byte> messages, HashSet<int> interfaces, HashSet<int> removed)
    {
        const ushort LinkChanged = 16;
        const ushort LinkRemoved = 17;
        var isOfLinks = false;
        while (messages.Length >= 24)
        {
            // struct nlmsghdr, then struct ifinfomsg or tcmsg: both have a family first, and the interface at the same place.
            var length = BinaryPrimitives.ReadInt32LittleEndian(messages);
            var type = BinaryPrimitives.ReadUInt16LittleEndian(messages[4..]);
            var ifindex = BinaryPrimitives.ReadInt32LittleEndian(messages[20..]);
            interfaces.Add(ifindex);
            isOfLinks |= type is LinkChanged or LinkRemoved;

            // Other families than AF_UNSPEC tell of a bridge's port.
            if (type == LinkRemoved && messages[16] == 0)
            {
                removed.Add(ifindex);
            }

            messages = messages[Math.Min(messages.Length, (Math.Max(length, 16) + 3) & ~3)..];
        }

        return isOfLinks;
    }
}
