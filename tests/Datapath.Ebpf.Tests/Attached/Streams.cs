using Portcullis.Net;
using static Portcullis.Datapath.Ebpf.Tests.Attached.Machine;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>Three streams of datagrams between A and B: one that policy allows, one that only a permit lets pass, one that nothing does.</summary>
internal sealed class Streams : IDisposable
{
    private readonly System.Net.Sockets.Socket _server;
    private readonly System.Net.Sockets.Socket _client;
    private readonly System.Net.Sockets.Socket _closed;
    private readonly NumberedStream _allowed;
    private readonly NumberedStream _permitted;
    private readonly NumberedStream _denied;

    public Streams(Machine machine)
    {
        var (a, b) = (Address(A, IpFamily.IPv4), Address(B, IpFamily.IPv4));
        _server = machine.Udp(machine.PodB, b, 5300);
        _client = machine.Udp(machine.PodA, a, 5000);
        _closed = machine.Udp(machine.PodA, a, 5001);
        var push = machine.Udp(machine.PodB, b, 5301);
        var sender = machine.Udp(machine.PodA, a, 5002);
        foreach (var socket in new[] { _server, _client, _closed })
        {
            NumberedStream.Enlarge(socket);
        }

        // One datagram of A's permits all that B sends back.
        Assert.True(Arrives(_client, push));
        _allowed = new NumberedStream(sender, _server.LocalEndPoint!);
        _permitted = new NumberedStream(push, _client.LocalEndPoint!);
        _denied = new NumberedStream(machine.Udp(machine.PodB, b, 5302), _closed.LocalEndPoint!);
    }

    public void Run(int more)
    {
        foreach (var stream in new[] { _allowed, _permitted, _denied })
        {
            stream.WaitFor(stream.Sent + more);
        }
    }

    /// <summary>Ends the streams; how many were allowed.</summary>
    public int AssertJudgedRightly()
    {
        var allowed = _allowed.Stop();
        Assert.Equal(allowed, NumberedStream.Count(_server));
        Assert.Equal(_permitted.Stop(), NumberedStream.Count(_client));
        _denied.Stop();
        Assert.Equal(0, NumberedStream.Count(_closed));
        return allowed;
    }

    public void Dispose()
    {
        _allowed.Dispose();
        _permitted.Dispose();
        _denied.Dispose();
    }
}
