using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portcullis.Host.Native;

/// <summary>How a receive ended.</summary>
internal enum NetlinkReceive
{
    /// <summary>A datagram was read.</summary>
    Data,

    /// <summary>Nothing is waiting.</summary>
    Empty,

    /// <summary>The kernel dropped messages because nobody read them in time.</summary>
    Lost,
}

/// <summary>A raw rtnetlink socket of the network namespace of the thread that opens it.</summary>
internal sealed unsafe class NetlinkSocket : IDisposable
{
    private const int BufferBytes = 8 << 20;

    private readonly SafeFileHandle _socket;
    private readonly SafeFileHandle _wakeUp;

    /// <summary>Opens the socket and joins multicast groups.</summary>
    /// <param name="groups">RTMGRP_* bits.</param>
    /// <exception cref="NativeException">The kernel refused.</exception>
    public NetlinkSocket(uint groups)
    {
        _socket = new SafeFileHandle(
            LibC.socket(LibC.AF_NETLINK, LibC.SOCK_RAW | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, LibC.NETLINK_ROUTE), ownsHandle: true);
        if (_socket.IsInvalid)
        {
            throw NativeException.Last("opening an rtnetlink socket");
        }

        // Without CAP_NET_ADMIN the default size stays: bursts then cost a new dump, nothing is missed.
        var size = BufferBytes;
        _ = LibC.setsockopt(_socket, LibC.SOL_SOCKET, LibC.SO_RCVBUFFORCE, &size, sizeof(int));

        var address = new LibC.sockaddr_nl { nl_family = LibC.AF_NETLINK, nl_groups = groups };
        if (LibC.bind(_socket, &address, sizeof(LibC.sockaddr_nl)) < 0)
        {
            var failure = NativeException.Last("binding an rtnetlink socket");
            _socket.Dispose();
            throw failure;
        }

        _wakeUp = new SafeFileHandle(LibC.eventfd(0, LibC.EFD_CLOEXEC), ownsHandle: true);
        if (_wakeUp.IsInvalid)
        {
            var failure = NativeException.Last("creating an eventfd");
            _socket.Dispose();
            throw failure;
        }
    }

    /// <summary>Sends one request to the kernel.</summary>
    public void Send(ReadOnlySpan<byte> message)
    {
        fixed (byte* data = message)
        {
            if (LibC.send(_socket, data, message.Length, 0) < 0)
            {
                throw NativeException.Last("sending an rtnetlink request");
            }
        }
    }

    /// <summary>Blocks until a datagram waits or <see cref="WakeUp"/> was called; tells whether it was a datagram alone.</summary>
    public bool Wait()
    {
        var fds = stackalloc LibC.PollFd[2];
        fds[0] = new LibC.PollFd { fd = (int)_socket.DangerousGetHandle(), events = LibC.POLLIN };
        fds[1] = new LibC.PollFd { fd = (int)_wakeUp.DangerousGetHandle(), events = LibC.POLLIN };
        while (LibC.poll(fds, 2, -1) < 0)
        {
            if (Marshal.GetLastPInvokeError() != LibC.EINTR)
            {
                throw NativeException.Last("waiting for rtnetlink");
            }
        }

        return fds[1].revents == 0;
    }

    /// <summary>Makes every <see cref="Wait"/>, present and future, return false.</summary>
    public void WakeUp()
    {
        if (LibC.eventfd_write(_wakeUp, 1) < 0)
        {
            throw NativeException.Last("stopping the rtnetlink reader");
        }
    }

    /// <summary>Reads one datagram of the kernel without blocking.</summary>
    public NetlinkReceive Receive(Span<byte> buffer, out int length)
    {
        length = 0;
        fixed (byte* data = buffer)
        {
            while (true)
            {
                LibC.sockaddr_nl from = default;
                var fromLength = sizeof(LibC.sockaddr_nl);
                var received = LibC.recvfrom(_socket, data, buffer.Length, LibC.MSG_TRUNC, &from, &fromLength);
                if (received > buffer.Length)
                {
                    return NetlinkReceive.Lost;
                }

                // Port 0 is the kernel; other processes may not speak for it.
                if (received >= 0 && from.nl_pid == 0)
                {
                    length = (int)received;
                    return NetlinkReceive.Data;
                }

                if (received >= 0)
                {
                    continue;
                }

                switch (Marshal.GetLastPInvokeError())
                {
                    case LibC.EINTR:
                        continue;
                    case LibC.EAGAIN:
                        return NetlinkReceive.Empty;
                    case LibC.ENOBUFS:
                        return NetlinkReceive.Lost;
                    default:
                        throw NativeException.Last("reading rtnetlink");
                }
            }
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        _wakeUp.Dispose();
    }
}
