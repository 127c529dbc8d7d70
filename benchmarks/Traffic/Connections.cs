using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portcullis.Benchmarks.Beds;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Net;

namespace Portcullis.Benchmarks.Traffic;

/// <summary>TCP connections opened, accepted and reset by one thread, one after another: the handshake runs on its processor.</summary>
internal static class Connections
{
    public static double PerSecond(Bed bed, int count)
    {
        var address = new IPEndPoint(bed.Server.Address(IpFamily.IPv4).ToIPAddress(), RuleWorld.ConnectPort);
        using var listener = bed.Server.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(address);
        listener.Listen();
        return bed.Client.Network.Run(() =>
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < count; i++)
            {
                using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                client.Connect(address);
                using var server = listener.Accept();

                // A reset, so that no port waits.
                client.LingerState = new LingerOption(enable: true, seconds: 0);
            }

            return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        });
    }
}
