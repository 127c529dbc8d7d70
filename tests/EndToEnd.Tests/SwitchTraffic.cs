using Portcullis.Net;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>Every kind of traffic between the client, which may reach the server, and the stranger, which may not.</summary>
internal sealed class SwitchTraffic : IAsyncDisposable
{
    private const int HttpPort = 80;
    private const int UdpPort = 53;

    private readonly List<LiveConnection> _connections = [];
    private readonly List<PushedStream> _pushed = [];
    private readonly List<ExchangeStream> _exchanges = [];
    private readonly List<DeniedStream> _denied = [];

    /// <summary>How many exchanges each stream has lost so far.</summary>
    public IReadOnlyList<long> Lost => [.. _exchanges.Select(stream => stream.Lost)];

    /// <summary>Starts it.</summary>
    public static async Task<SwitchTraffic> StartAsync(SurvivalWorld world, int pushPort)
    {
        var traffic = new SwitchTraffic();
        try
        {
            await traffic.OpenAsync(world, pushPort);
            return traffic;
        }
        catch
        {
            await traffic.DisposeAsync();
            throw;
        }
    }

    /// <summary>Fails unless all of it goes on, and lost and paused no more than it may.</summary>
    /// <param name="what">What happened before.</param>
    /// <param name="before">What was lost before that.</param>
    /// <param name="mayLose">How many exchanges each stream may have lost since.</param>
    /// <param name="mayPause">How long a connection may have paused.</param>
    public async Task CheckAsync(string what, IReadOnlyList<long> before, int mayLose, TimeSpan mayPause)
    {
        foreach (var connection in _connections)
        {
            await connection.ExchangeOnceMoreAsync();
        }

        foreach (var stream in _exchanges)
        {
            await stream.ExchangeOnceMoreAsync();
        }

        foreach (var (stream, lost) in _exchanges.Zip(before))
        {
            Assert.True(stream.Lost - lost <= mayLose, $"{what}: {stream.Lost - lost} lost: {stream.Name}");
        }

        foreach (var (name, pause) in Pauses())
        {
            Assert.True(pause <= mayPause, $"{what}: {name} paused {pause.TotalMilliseconds:F0} ms");
        }

        Assert.True(_denied.Sum(stream => stream.Opened) == 0, $"{what}: {_denied.Sum(stream => stream.Opened)} denied attempts were answered");
    }

    /// <summary>Ends it.</summary>
    /// <exception cref="InvalidOperationException">Something was broken.</exception>
    public async Task CloseAsync()
    {
        foreach (var connection in _connections)
        {
            await connection.CloseAsync();
        }

        foreach (var stream in _pushed)
        {
            await stream.CloseAsync();
        }
    }

    public override string ToString() =>
        $"{_connections.Sum(connection => connection.Exchanges)} exchanges on standing connections, longest pause {Pauses().Max(pause => pause.Pause).TotalMilliseconds:F0} ms; "
        + $"{string.Join("; ", _exchanges.Select(stream => $"{stream.Name}: {stream.Done}, {stream.Lost} lost"))}; "
        + $"{_denied.Sum(stream => stream.Tried)} denied attempts, {_denied.Sum(stream => stream.Opened)} answered";

    public async ValueTask DisposeAsync()
    {
        foreach (var stream in Enumerable.Concat<IAsyncDisposable>(_connections, _pushed).Concat(_exchanges).Concat(_denied))
        {
            await stream.DisposeAsync();
        }
    }

    private IEnumerable<(string Name, TimeSpan Pause)> Pauses() =>
        _connections.Select((connection, index) => ($"connection {index}", connection.Longest))
            .Concat(_pushed.Select((stream, index) => ($"pushed stream {index}", stream.Longest)));

    private async Task OpenAsync(SurvivalWorld world, int pushPort)
    {
        var (client, server) = (world.Machine.Client, world.Machine.Server);
        foreach (var family in new[] { IpFamily.IPv4, IpFamily.IPv6 })
        {
            _connections.Add(await world.ConnectAsync(family, TimeSpan.FromMilliseconds(5), $"busy {family} connection"));
            _connections.Add(await world.ConnectAsync(family, TimeSpan.FromMilliseconds(1500), $"quiet {family} connection"));
            _pushed.Add(await PushedStream.OpenAsync(client, server, family, pushPort, TimeSpan.FromMilliseconds(20)));
            _exchanges.Add(ExchangeStream.OfDatagrams(client, server.Address(family), UdpPort));
            _exchanges.Add(ExchangeStream.OfNewDatagrams(client, server.Address(family), UdpPort));
            _exchanges.Add(ExchangeStream.OfConnections(client, server.Address(family), HttpPort));
        }

        _denied.Add(DeniedStream.Start(world.Stranger, server, HttpPort, UdpPort));
        _denied.Add(DeniedStream.Start(server, world.Stranger, HttpPort, UdpPort));
    }
}
