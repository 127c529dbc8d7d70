using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>Lists of the kernel, by netlink. Everything is about the network namespace of the calling thread.</summary>
internal static unsafe class Netlink
{
    public const int Route = 0;
    public const int Netfilter = 12;

    private const int HeaderBytes = 16;

    /// <summary>Reads the body of one message.</summary>
    public delegate void MessageReader(ushort type, ReadOnlySpan<byte> body);

    /// <summary>Opens a socket of a netlink protocol.</summary>
    public static FdHandle Open(int protocol)
    {
        var socket = new FdHandle(LibC.socket(domain: 16, type: 3 | 0x80000, protocol));
        return !socket.IsInvalid ? socket : throw new BpfException("opening a netlink socket", Marshal.GetLastPInvokeError());
    }

    /// <summary>Asks for a list and reads it to its end. What the kernel answers instead of a list: -errno; 0: the list.</summary>
    /// <param name="protocol">Which part of the kernel is asked.</param>
    /// <param name="type">The message that asks.</param>
    /// <param name="question">Its body.</param>
    /// <param name="operation">What this is called in an exception.</param>
    /// <param name="read">Called for every message of the list.</param>
    public static int Dump(int protocol, ushort type, ReadOnlySpan<byte> question, string operation, MessageReader read)
    {
        const ushort RequestDump = 0x1 | 0x300;
        using var socket = Open(protocol);
        Span<byte> request = stackalloc byte[HeaderBytes + question.Length];
        request.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(request, request.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(request[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(request[6..], RequestDump);
        question.CopyTo(request[HeaderBytes..]);
        fixed (byte* data = request)
        {
            if (LibC.send(socket.Fd, data, (nuint)request.Length, 0) < 0)
            {
                throw new BpfException(operation, Marshal.GetLastPInvokeError());
            }
        }

        var buffer = new byte[32768];
        while (true)
        {
            if (ReadMessages(buffer.AsSpan(0, Receive(socket.Fd, buffer, operation)), read) is { } end)
            {
                return end;
            }
        }
    }

    /// <summary>The value of the first attribute of a type; empty when there is none.</summary>
    public static ReadOnlySpan<byte> Attribute(ReadOnlySpan<byte> attributes, int type)
    {
        while (attributes.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            if (length < 4 || length > attributes.Length)
            {
                break;
            }

            if ((BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]) & 0x3fff) == type)
            {
                return attributes[4..length];
            }

            attributes = attributes[Math.Min(attributes.Length, (length + 3) & ~3)..];
        }

        return [];
    }

    private static int Receive(int fd, byte[] buffer, string operation)
    {
        fixed (byte* data = buffer)
        {
            while (true)
            {
                var length = LibC.recv(fd, data, (nuint)buffer.Length, 0);
                if (length >= 0)
                {
                    return (int)length;
                }

                if (Marshal.GetLastPInvokeError() is var errno and not LibC.EINTR)
                {
                    throw new BpfException(operation, errno);
                }
            }
        }
    }

    /// <summary>How the list ended; null: more follows.</summary>
    private static int? ReadMessages(ReadOnlySpan<byte> data, MessageReader read)
    {
        const int Error = 2;
        const int Done = 3;
        while (data.Length >= HeaderBytes)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(data);
            var type = BinaryPrimitives.ReadUInt16LittleEndian(data[4..]);
            switch (type)
            {
                case Done:
                    return 0;
                case Error:
                    return BinaryPrimitives.ReadInt32LittleEndian(data[HeaderBytes..]);
                default:
                    read(type, data[HeaderBytes..length]);
                    break;
            }

            data = data[Math.Min(data.Length, (length + 3) & ~3)..];
        }

        return null;
    }
}
