using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Portcullis.Host.Native;

namespace Portcullis.Datapath.Iptables.Tests.Fixtures;

/// <summary>Sends and receives whole frames on every interface of a network namespace.</summary>
internal sealed unsafe partial class PacketSockets : IDisposable
{
    private const int Packet = 17;
    private const int Raw = 3;
    private const int NonBlockingCloseOnExec = 0x80800;
    private const int ReceiveBufferForce = 33;
    private const int BufferSize = 1 << 26;
    private const ushort IPv4 = 0x0800;
    private const ushort IPv6 = 0x86dd;

    private readonly SafeFileHandle _sender;
    private readonly SafeFileHandle[] _receivers;
    private readonly byte[] _buffer = new byte[2048];

    /// <summary>Opens them in a namespace. Of what this one sends nothing is received.</summary>
    public PacketSockets(NetworkNamespace network)
    {
        _sender = network.Run(() => Open(0));
        _receivers = [network.Run(() => Open(IPv4)), network.Run(() => Open(IPv6))];
        foreach (var receiver in _receivers)
        {
            var size = BufferSize;
            Check(setsockopt(receiver, 1, ReceiveBufferForce, &size, sizeof(int)), "SO_RCVBUFFORCE");
        }
    }

    /// <summary>Sends a frame by an interface.</summary>
    public void Send(int ifindex, ReadOnlySpan<byte> frame)
    {
        var address = stackalloc byte[20];
        new Span<byte>(address, 20).Clear();
        *(ushort*)address = Packet;
        *(int*)(address + 4) = ifindex;
        fixed (byte* data = frame)
        {
            Check((int)sendto(_sender, data, (nuint)frame.Length, 0, address, 20), "sendto");
        }
    }

    /// <summary>Gives every frame that has arrived to <paramref name="take"/>.</summary>
    public void Receive(Action<ReadOnlySpan<byte>> take)
    {
        fixed (byte* data = _buffer)
        {
            foreach (var receiver in _receivers)
            {
                while (recv(receiver, data, (nuint)_buffer.Length, 0) is > 0 and var length)
                {
                    take(_buffer.AsSpan(0, (int)length));
                }
            }
        }
    }

    public void Dispose()
    {
        _sender.Dispose();
        Array.ForEach(_receivers, receiver => receiver.Dispose());
    }

    private static SafeFileHandle Open(ushort type)
    {
        var descriptor = socket(Packet, Raw | NonBlockingCloseOnExec, BitConverter.IsLittleEndian ? (type >> 8) | ((type & 0xff) << 8) : type);
        Check(descriptor, "socket");
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    private static void Check(int result, string what)
    {
        if (result < 0)
        {
            throw new SocketException(Marshal.GetLastPInvokeError(), $"{what}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(SafeFileHandle fd, int level, int name, int* value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendto(SafeFileHandle fd, byte* data, nuint length, int flags, byte* address, int addressLength);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(SafeFileHandle fd, byte* data, nuint length, int flags);
}
