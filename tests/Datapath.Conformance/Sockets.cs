using System.Buffers.Binary;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.Datapath.Conformance;

/// <summary>HTTP responders on several ports.</summary>
internal sealed class Responders : IAsyncDisposable
{
    private readonly List<HttpResponder> _all;

    public Responders(NetworkPod pod, params int[] ports)
        : this(pod.Network, ports)
    {
    }

    public Responders(NetworkNamespace network, params int[] ports) =>
        _all = [.. ports.Select(port => HttpResponder.Start(network, port))];

    public async ValueTask DisposeAsync()
    {
        foreach (var responder in _all)
        {
            await responder.DisposeAsync();
        }
    }
}

/// <summary>Accepts one TCP connection and sends back what it gets.</summary>
internal sealed class StreamEcho : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly TaskCompletionSource<Socket> _accepted = new();
    private readonly Task _echoing;
    private Client? _client;

    private StreamEcho(Socket listener)
    {
        _listener = listener;
        _echoing = EchoAsync();
    }

    public static StreamEcho Start(NetworkPod pod, int port) => new(pod.Network.Run(() =>
    {
        var listener = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        listener.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
        listener.Listen();
        return listener;
    }));

    public async Task<Client> ConnectAsync(NetworkPod from, IpAddress to)
    {
        var server = new IPEndPoint(to.ToIPAddress(), ((IPEndPoint)_listener.LocalEndPoint!).Port);
        var socket = from.Network.Run(() => new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });
        await socket.ConnectAsync(server, TestContext.Current.CancellationToken);
        return _client = new Client(socket);
    }

    /// <summary>Sends from the server's side and tells whether the client receives it.</summary>
    public async Task<bool> PushAsync(TimeSpan limit)
    {
        await (await _accepted.Task).SendAsync("p"u8.ToArray(), TestContext.Current.CancellationToken);
        return await _client!.ReceivesAsync(limit);
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        if (_accepted.Task.IsCompletedSuccessfully)
        {
            (await _accepted.Task).Dispose();
        }

        await _echoing;
    }

    private async Task EchoAsync()
    {
        try
        {
            var socket = await _listener.AcceptAsync();
            _accepted.SetResult(socket);
            var buffer = new byte[16];
            while (await socket.ReceiveAsync(buffer) is > 0 and var length)
            {
                await socket.SendAsync(buffer.AsMemory(0, length));
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Disposed, or cut off by the rules under test.
        }
    }

    internal sealed class Client(Socket socket) : IDisposable
    {
        /// <summary>Sends a byte and tells whether it comes back.</summary>
        public async Task<bool> ExchangeAsync(TimeSpan limit)
        {
            await socket.SendAsync("x"u8.ToArray(), TestContext.Current.CancellationToken);
            return await ReceivesAsync(limit);
        }

        public async Task<bool> ReceivesAsync(TimeSpan limit)
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            deadline.CancelAfter(limit);
            try
            {
                return await socket.ReceiveAsync(new byte[16], deadline.Token) > 0;
            }
            catch (OperationCanceledException) when (deadline.IsCancellationRequested)
            {
                return false;
            }
        }

        public void Dispose() => socket.Dispose();
    }
}

/// <summary>Packets that no ordinary probe sends.</summary>
internal static partial class Sockets
{
    /// <summary>Sends a datagram from an address of the namespace and tells whether an echo comes back.</summary>
    public static async Task<ProbeOutcome> UdpFromAsync(NetworkNamespace network, IpAddress from, IpAddress to, int port, TimeSpan limit, int sourcePort = 0, int bytes = 4)
    {
        using var socket = Udp(network, from, sourcePort);
        await socket.ConnectAsync(new IPEndPoint(to.ToIPAddress(), port), TestContext.Current.CancellationToken);
        await socket.SendAsync(new byte[bytes], TestContext.Current.CancellationToken);
        return await ArrivesAsync(socket, limit);
    }

    /// <summary>Sends a datagram from one bound socket to another and tells whether it arrives.</summary>
    public static async Task<ProbeOutcome> SendAsync(Socket from, Socket to, TimeSpan limit)
    {
        await from.SendToAsync("x"u8.ToArray(), to.LocalEndPoint!, TestContext.Current.CancellationToken);
        return await ArrivesAsync(to, limit);
    }

    /// <summary>Sends an SCTP INIT and tells whether it arrives; the kernel need not know the protocol.</summary>
    public static async Task<ProbeOutcome> SctpAsync(NetworkPod from, NetworkPod to, IpFamily family, ushort port, TimeSpan limit)
    {
        var (source, destination) = (from.Address(family).ToIPAddress(), to.Address(family).ToIPAddress());
        using var receiver = Raw(to.Network, destination, IpProtocol.Sctp);
        using var sender = Raw(from.Network, source, IpProtocol.Sctp);
        var init = new byte[32];
        BinaryPrimitives.WriteUInt16BigEndian(init, 40000);
        BinaryPrimitives.WriteUInt16BigEndian(init.AsSpan(2), port);
        init[12] = 1;
        init[15] = 20;
        init[19] = 1;
        await sender.SendToAsync(init, new IPEndPoint(destination, 0), TestContext.Current.CancellationToken);
        return await ArrivesAsync(receiver, limit);
    }

    /// <summary>Sends a UDP datagram behind IPv4 options or an IPv6 destination options header, and tells whether an echo comes back.</summary>
    public static async Task<ProbeOutcome> UdpBehindOptionsAsync(NetworkPod from, NetworkPod to, IpFamily family, int port, TimeSpan limit)
    {
        using var socket = Udp(from.Network, from.Address(family), 0);
        if (family == IpFamily.IPv4)
        {
            const int options = 4;
            socket.SetRawSocketOption((int)SocketOptionLevel.IP, options, [1, 1, 1, 0]);
        }
        else
        {
            const int destinationOptions = 59;
            socket.SetRawSocketOption((int)SocketOptionLevel.IPv6, destinationOptions, [0, 0, 1, 4, 0, 0, 0, 0]);
        }

        await socket.ConnectAsync(new IPEndPoint(to.Address(family).ToIPAddress(), port), TestContext.Current.CancellationToken);
        await socket.SendAsync(new byte[4], TestContext.Current.CancellationToken);
        return await ArrivesAsync(socket, limit);
    }

    /// <summary>Sends a UDP packet of so many bytes, header included, and tells whether it arrives.</summary>
    public static async Task<ProbeOutcome> UdpCutAsync(NetworkPod from, NetworkPod to, IpFamily family, ushort port, int bytes, TimeSpan limit)
    {
        var (source, destination) = (from.Address(family).ToIPAddress(), to.Address(family).ToIPAddress());
        using var receiver = Raw(to.Network, destination, IpProtocol.Udp);
        using var sender = Raw(from.Network, source, IpProtocol.Udp);
        var packet = new byte[8];
        BinaryPrimitives.WriteUInt16BigEndian(packet, 40000);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), port);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), 8);
        await sender.SendToAsync(packet.AsMemory(0, bytes), new IPEndPoint(destination, 0), TestContext.Current.CancellationToken);
        return await ArrivesAsync(receiver, limit);
    }

    // The framework's own constructor does not know SCTP.
    private static Socket Raw(NetworkNamespace network, IPAddress address, IpProtocol protocol) => network.Run(() =>
    {
        const int inet = 2;
        const int inet6 = 10;
        const int raw = 3;
        const int closeOnExec = 0x80000;
        var family = address.AddressFamily == AddressFamily.InterNetwork ? inet : inet6;
        var descriptor = OpenSocket(family, raw | closeOnExec, (int)protocol);
        Assert.True(descriptor >= 0, Marshal.GetLastPInvokeErrorMessage());
        var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
        socket.Bind(new IPEndPoint(address, 0));
        return socket;
    });

    /// <summary>Whether an echo request is answered.</summary>
    public static bool Ping(NetworkNamespace from, IpAddress to, TimeSpan limit) => from.Run(() =>
    {
        using var ping = new Ping();
        return ping.Send(to.ToIPAddress(), (int)limit.TotalMilliseconds).Status == IPStatus.Success;
    });

    /// <summary>A bound UDP socket.</summary>
    public static Socket Udp(NetworkNamespace network, IpAddress address, int port) => network.Run(() =>
    {
        var socket = new Socket(address.ToIPAddress().AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(address.ToIPAddress(), port));
        return socket;
    });

    private static async Task<ProbeOutcome> ArrivesAsync(Socket at, TimeSpan limit)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(limit);
        try
        {
            await at.ReceiveAsync(new byte[2048], deadline.Token);
            return ProbeOutcome.Allowed;
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            return ProbeOutcome.Denied;
        }
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int domain, int type, int protocol);
}
