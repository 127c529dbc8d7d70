using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Iptables.Native;

/// <summary>How a receive ended.</summary>
internal enum NetfilterReceive
{
    /// <summary>A datagram was read.</summary>
    Data,

    /// <summary>Nothing is waiting.</summary>
    Empty,

    /// <summary>The kernel dropped messages because nobody read them in time.</summary>
    Lost,
}

/// <summary>A netlink socket to netfilter, in the network namespace of the thread that opens it.</summary>
internal sealed unsafe class NetfilterSocket : IDisposable
{
    private const int BufferBytes = 4 << 20;

    private readonly SafeFileHandle _socket;
    private readonly SafeFileHandle _wakeUp;

    /// <summary>Opens the socket.</summary>
    /// <exception cref="DatapathException">The kernel refused.</exception>
    public NetfilterSocket()
    {
        _socket = Checked(
            LibC.socket(LibC.AF_NETLINK, LibC.SOCK_RAW | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, LibC.NETLINK_NETFILTER), "opening");
        try
        {
            // Without CAP_NET_ADMIN the default size stays: more is lost, and counted.
            var size = BufferBytes;
            _ = LibC.setsockopt(_socket, LibC.SOL_SOCKET, LibC.SO_RCVBUFFORCE, &size, sizeof(int));
            var address = new LibC.sockaddr_nl { nl_family = LibC.AF_NETLINK };
            Check(LibC.bind(_socket, &address, sizeof(LibC.sockaddr_nl)), "binding");
            _wakeUp = Checked(LibC.eventfd(0, LibC.EFD_CLOEXEC), "preparing");
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Joins a multicast group.</summary>
    public void Join(int group) => Check(LibC.setsockopt(_socket, LibC.SOL_NETLINK, LibC.NETLINK_ADD_MEMBERSHIP, &group, sizeof(int)), "subscribing");

    /// <summary>Sends one request.</summary>
    public void Send(ReadOnlySpan<byte> message)
    {
        fixed (byte* data = message)
        {
            Check(LibC.send(_socket, data, message.Length, 0), "configuring");
        }
    }

    /// <summary>Blocks until a datagram waits or <see cref="WakeUp"/> was called; false after the latter.</summary>
    public bool Wait()
    {
        var fds = stackalloc LibC.PollFd[2];
        fds[0] = new LibC.PollFd { fd = (int)_socket.DangerousGetHandle(), events = LibC.POLLIN };
        fds[1] = new LibC.PollFd { fd = (int)_wakeUp.DangerousGetHandle(), events = LibC.POLLIN };
        while (LibC.poll(fds, 2, -1) < 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            if (errno != LibC.EINTR)
            {
                throw Failure("waiting for", errno);
            }
        }

        return fds[1].revents == 0;
    }

    /// <summary>Ends <see cref="Wait"/> for good.</summary>
    public void WakeUp() => Check(LibC.eventfd_write(_wakeUp, 1), "waking");

    /// <summary>Reads one datagram without waiting.</summary>
    public NetfilterReceive Receive(Span<byte> buffer, out int length)
    {
        length = 0;
        fixed (byte* data = buffer)
        {
            var received = LibC.recv(_socket, data, buffer.Length, 0);
            if (received >= 0)
            {
                length = (int)received;
                return NetfilterReceive.Data;
            }
        }

        return Marshal.GetLastPInvokeError() switch
        {
            LibC.EAGAIN or LibC.EINTR => NetfilterReceive.Empty,
            LibC.ENOBUFS => NetfilterReceive.Lost,
            var errno => throw Failure("reading", errno),
        };
    }

    /// <summary>Closes the socket. No other thread may be using it.</summary>
    public void Dispose()
    {
        _socket.Dispose();
        _wakeUp.Dispose();
    }

    private static SafeFileHandle Checked(int descriptor, string operation)
    {
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (handle.IsInvalid)
        {
            handle.Dispose();
            throw Failure(operation, Marshal.GetLastPInvokeError());
        }

        return handle;
    }

    private static void Check(nint result, string operation)
    {
        if (result < 0)
        {
            throw Failure(operation, Marshal.GetLastPInvokeError());
        }
    }

    private static DatapathException Failure(string operation, int errno) =>
        new($"{operation} a netfilter socket: {Marshal.GetPInvokeErrorMessage(errno)}");
}
