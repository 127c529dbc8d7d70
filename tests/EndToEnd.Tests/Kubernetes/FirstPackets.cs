using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;
using Xunit;

namespace Portcullis.EndToEnd.Tests.Kubernetes;

/// <summary>What became of the packets that a pod sent from before its interface was up.</summary>
/// <param name="Sent">How many it could send.</param>
/// <param name="Leaked">How many reached another pod.</param>
internal sealed record FirstPackets(int Sent, int Leaked)
{
    private const int Port = 5353;
    private static readonly TimeSpan After = TimeSpan.FromMilliseconds(300);

    /// <summary>Makes the pod while a loop sends from inside it, and removes it. <paramref name="announced"/> is called before the node's end of the interface is up.</summary>
    public static async Task<FirstPackets> SendAsync(PodNetwork network, NamespacedName name, IpAddress address, IpAddress to, Action? announced = null)
    {
        using var stop = new CancellationTokenSource();
        var receiver = network.Pods.Single(pod => pod.Addresses.Contains(to)).Network;
        using var server = receiver.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        server.Bind(new IPEndPoint(to.ToIPAddress(), Port));
        var receiving = ReceiveAsync(server, stop.Token);
        Task<int>? sending = null;
        var pod = network.AddPod(name, [address], inside => sending = Task.Run(() => SendAsync(inside, to, stop.Token)), announced);
        try
        {
            await Task.Delay(After, TimeProvider.System);
            await stop.CancelAsync();
            var sent = await sending!;
            var leaked = await receiving;
            Assert.True(sent > 0, "the pod never got to send anything, so nothing is shown");
            return new FirstPackets(sent, leaked);
        }
        finally
        {
            network.RemovePod(pod);
        }
    }

    private static async Task<int> ReceiveAsync(Socket server, CancellationToken cancellationToken)
    {
        var received = 0;
        var buffer = new byte[64];
        try
        {
            while (true)
            {
                await server.ReceiveAsync(buffer, cancellationToken);
                received++;
            }
        }
        catch (OperationCanceledException)
        {
            return received;
        }
    }

    /// <summary>Sends without pause; what fails because there is no way yet does not count.</summary>
    private static async Task<int> SendAsync(NetworkNamespace inside, IpAddress to, CancellationToken cancellationToken)
    {
        var server = new IPEndPoint(to.ToIPAddress(), Port);
        using var socket = inside.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        var sent = 0;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                socket.SendTo("first"u8, server);
                sent++;
            }
            catch (SocketException)
            {
                // Not on the way yet.
            }

            await Task.Yield();
        }

        return sent;
    }
}
