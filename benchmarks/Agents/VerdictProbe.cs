using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Net;

namespace Portcullis.Benchmarks.Agents;

/// <summary>Packets from client to server, to tell by what reaches it which policy is in force. Resolution: a millisecond.</summary>
internal sealed class VerdictProbe : IDisposable
{
    private static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);

    private readonly Socket _sender;
    private readonly Socket _receiver;
    private readonly byte[] _data = new byte[1];

    public VerdictProbe(BenchAgent agent)
    {
        var server = new IPEndPoint(agent.Server.Address(IpFamily.IPv4).ToIPAddress(), RuleWorld.UdpPort);
        _receiver = agent.Server.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        _receiver.Bind(server);
        _sender = agent.Client.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        _sender.Connect(server);
    }

    /// <summary>Sends until a packet meets the verdict.</summary>
    /// <exception cref="BenchException">None does in time.</exception>
    public async Task WaitAsync(bool isGranted, TimeSpan limit, CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(Resolution);
        while (Arrives() != isGranted)
        {
            if (Stopwatch.GetElapsedTime(start) > limit)
            {
                throw new BenchException($"after {limit.TotalSeconds:F0} s packets that policy {(isGranted ? "allows are lost" : "denies arrive")}");
            }

            await timer.WaitForNextTickAsync(cancellationToken);
        }
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
    }

    private bool Arrives()
    {
        _sender.Send(_data);
        return _receiver.Poll(Resolution, SelectMode.SelectRead) && _receiver.Receive(_data) > 0;
    }
}
