using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Host.Native;
using Portcullis.Net;

namespace Portcullis.Benchmarks.Traffic;

/// <summary>Small datagrams, sent and received by one thread: sending takes a packet the whole way on the same processor.</summary>
internal static class Datagrams
{
    private const int ReceiveTimeout = 2_000;
    private const int Batch = 64;

    /// <summary>One way for a while.</summary>
    /// <returns>Packets received a second, and nanoseconds of processor time for each.</returns>
    public static (double PerSecond, double Processor) Flood(Bed bed, TimeSpan time)
    {
        using var client = Open(bed.Client.Network, bed.Client.Address(IpFamily.IPv4), 0);
        using var server = Open(bed.Server.Network, bed.Server.Address(IpFamily.IPv4), RuleWorld.UdpPort);
        client.Connect(server.LocalEndPoint!);
        var data = new byte[64];
        var packets = 0;
        var (start, processor) = (Stopwatch.GetTimestamp(), ProcessorClock.Now());
        do
        {
            for (var i = 0; i < Batch; i++)
            {
                client.Send(data);
            }

            for (var i = 0; i < Batch; i++)
            {
                server.Receive(data);
            }

            packets += Batch;
        }
        while (Stopwatch.GetElapsedTime(start) < time);

        return (packets / Stopwatch.GetElapsedTime(start).TotalSeconds, (ProcessorClock.Now() - processor).TotalNanoseconds / packets);
    }

    /// <summary>There and back, one after another.</summary>
    /// <returns>Microseconds of each.</returns>
    public static List<double> RoundTrips(Bed bed, int count)
    {
        using var client = Open(bed.Client.Network, bed.Client.Address(IpFamily.IPv4), 0);
        using var server = Open(bed.Server.Network, bed.Server.Address(IpFamily.IPv4), RuleWorld.UdpPort);
        client.Connect(server.LocalEndPoint!);
        var back = client.LocalEndPoint!;
        var data = new byte[64];
        var trips = new List<double>(count);
        for (var i = 0; i < count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            client.Send(data);
            server.Receive(data);
            server.SendTo(data, back);
            client.Receive(data);
            trips.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }

        return trips;
    }

    private static Socket Open(NetworkNamespace network, IpAddress address, int port)
    {
        var socket = network.Run(() => new Socket(address.Family == IpFamily.IPv4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp));
        socket.ReceiveTimeout = ReceiveTimeout;
        socket.Bind(new IPEndPoint(address.ToIPAddress(), port));
        return socket;
    }
}
