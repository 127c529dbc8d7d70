using System.Net;
using System.Net.Sockets;
using Portcullis.Host.Demo;
using Portcullis.Net;

namespace Portcullis.EndToEnd.Tests.Kubernetes;

/// <summary>Packets that a pod sends from before its interface is up.</summary>
internal static class FirstPackets
{
    private const int Port = 5353;
    private static readonly TimeSpan After = TimeSpan.FromMilliseconds(300);

    /// <summary>Makes the pod while a loop sends from inside it, and removes it.</summary>
    /// <returns>How many of its datagrams reached the other pod.</returns>
    public static async Task<int> LeakAsync(PodNetwork network, NamespacedName name, IpAddress address, IpAddress to)
    {
        var receiver = network.Pods.Single(pod => pod.Addresses.Contains(to)).Network;
        using var server = receiver.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(to.ToIPAddress(), Port));
            return socket;
        });
        using var stop = new CancellationTokenSource();
        Task<int>? sending = null;
        var pod = network.AddPod(name, [address], inside => sending = Task.Run(() => SendAsync(inside, to, stop.Token)));
        try
        {
            await Task.Delay(After, TimeProvider.System);
            await stop.CancelAsync();
            var sent = await sending!;
            Xunit.Assert.True(sent > 0, "the pod never got to send anything, so nothing is shown");
            var received = 0;
            while (server.Available > 0)
            {
                server.Receive(new byte[64]);
                received++;
            }

            return received;
        }
        finally
        {
            network.RemovePod(pod);
        }
    }

    /// <summary>Sends without pause; what fails because there is no way yet is not counted.</summary>
    private static async Task<int> SendAsync(Host.Native.NetworkNamespace inside, IpAddress to, CancellationToken cancellationToken)
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
                await Task.Yield();
            }
        }

        return sent;
    }
}
