using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Host.Native;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Policy.Store;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;
using Portcullis.TestSupport;
using Portcullis.TestSupport.Fixtures;
using PolicyWorld = Portcullis.Policy.Store.World;

namespace Portcullis.Datapath.Iptables.Tests.Fixtures;

/// <summary>
/// A router with an interface for each address of the fixtures, and the datapath on it. What is behind the interfaces is
/// one namespace, which sends and receives frames and answers nothing. The fixtures' worlds follow each other as changes.
/// </summary>
public abstract class FixtureRouter : IDisposable
{
    private const string InstanceName = "ipt-fixture";
    private const int PacketsAtOnce = 500;
    private const int LooksForDriftEvery = 40;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // Of the block for benchmarks: in no fixture.
    private static readonly IpAddress[] Witnesses = [IpAddress.Parse("198.18.0.1"), IpAddress.Parse("198.18.0.2")];

    private readonly string _backend;
    private readonly NetworkNamespace _router;
    private readonly NetworkNamespace _outside;
    private readonly PacketSockets _sockets;
    private readonly IptablesDatapath _datapath;
    private readonly Dictionary<IpAddress, Link> _links = [];
    private readonly Dictionary<IpAddress, int> _outsideIndexes = [];
    private readonly Dictionary<ResourceKey, ResourceChange> _live = [];
    private Dictionary<uint, FixturePacket> _denied = [];
    private PolicyCompiler? _compiler;
    private PolicyStore _store = new();
    private uint _lastNumber;
    private long _revision;

    /// <summary>Builds it.</summary>
    protected FixtureRouter(string backend)
    {
        Root.Require("ip", "ipset", $"iptables-{backend}-restore", $"ip6tables-{backend}-restore");
        _backend = backend;
        var name = $"pcfix-{Guid.NewGuid():N}"[..14];
        _router = NetworkNamespace.Create(name + "-r");
        _outside = NetworkNamespace.Create(name + "-o");
        Build();
        _sockets = new PacketSockets(_outside);
        _datapath = _router.Run(() => new IptablesDatapath(
            new DatapathSettings(InstanceName, EstablishedConnections.Enforce, AllowSpoofing: false),
            new FakeTimeProvider(),
            NullLogger<IptablesDatapath>.Instance,
            backend == "nft" ? Backend.Nft : Backend.Legacy));
    }

    /// <summary>The world that is enforced.</summary>
    internal PolicyWorld World => _store.ToWorld();

    /// <summary>Takes out the world before and enforces the first step of another.</summary>
    internal Task BeginAsync(ImmutableArray<ResourceChange> world)
    {
        ImmutableArray<ResourceChange> changes = [.. _live.Keys.Select(ResourceChange.Delete), .. world];
        _live.Clear();
        return ContinueAsync(changes);
    }

    /// <summary>Enforces a change of the world.</summary>
    internal async Task ContinueAsync(ImmutableArray<ResourceChange> changes)
    {
        foreach (var change in changes)
        {
            if (change.Resource is null)
            {
                _live.Remove(change.Key);
            }
            else
            {
                _live[change.Key] = change;
            }
        }

        var isFirst = _compiler is null;
        _compiler ??= new PolicyCompiler(new PolicyOptions());
        _store.Apply(changes.AsSpan());
        _compiler.Apply(changes.AsSpan());
        var compiled = _compiler.Flush(++_revision);
        try
        {
            var result = await _datapath.ApplyAsync(
                compiled with { Replace = isFirst, Endpoints = [.. compiled.Endpoints.Select(Linked)] }, TestContext.Current.CancellationToken);
            Assert.Empty(result.Problems);
        }
        catch
        {
            // The next world starts afresh.
            (_compiler, _store) = (null, new PolicyStore());
            _live.Clear();
            throw;
        }

        if (_revision % LooksForDriftEvery == 0)
        {
            // Removes the sets of worlds before, too.
            await _datapath.LookForDriftAsync();
            Assert.Equal(0, _datapath.GetStatus().DriftRepairs);
        }
    }

    /// <summary>Has the router translate destinations.</summary>
    internal void Translate(IEnumerable<(IpAddress From, IpProtocol Protocol, ushort Port, IpAddress To, ushort ToPort)> destinations)
    {
        foreach (var family in destinations.GroupBy(translation => translation.From.Family))
        {
            var program = family.Key == IpFamily.IPv4 ? $"iptables-{_backend}-restore" : $"ip6tables-{_backend}-restore";
            var rules = new StringBuilder("*nat\n-F PREROUTING\n");
            foreach (var (from, protocol, port, to, toPort) in family)
            {
                var target = family.Key == IpFamily.IPv4 ? $"{to}:{toPort}" : $"[{to}]:{toPort}";
                rules.AppendLine($"-A PREROUTING -d {from} -p {protocol.ToString().ToLowerInvariant()} --dport {port} -j DNAT --to-destination {target}");
            }

            var result = _router.Run(() => Tool.Find(program)!.Run(rules.Append("COMMIT\n").ToString(), "--noflush"));
            Assert.True(result.ExitCode == 0, result.Error);
        }
    }

    /// <summary>A packet with a number of its own.</summary>
    internal FixturePacket Number(FixtureFlow flow, ushort sourcePort) =>
        new(flow.Source, flow.Destination, flow.Protocol, sourcePort, flow.Port, ++_lastNumber);

    /// <summary>Sends packets and tells which of them come out.</summary>
    /// <param name="packets">Each, and whether it is expected to.</param>
    internal HashSet<uint> Passing(IReadOnlyList<(FixturePacket Packet, bool Expected)> packets)
    {
        var arrived = new HashSet<uint>();
        var sent = 0;
        foreach (var (packet, _) in packets)
        {
            _sockets.Send(_outsideIndexes[packet.Source], packet.ToFrame());
            if (++sent % PacketsAtOnce == 0)
            {
                Collect(arrived);
            }
        }

        var witness = new FixturePacket(Witnesses[0], Witnesses[1], IpProtocol.Udp, 1, 1, ++_lastNumber);
        _sockets.Send(_outsideIndexes[witness.Source], witness.ToFrame());
        var missing = packets.Where(packet => packet.Expected).Select(packet => packet.Packet.Number).Append(witness.Number).ToHashSet();
        var started = Stopwatch.GetTimestamp();
        while (!missing.IsSubsetOf(arrived) && Stopwatch.GetElapsedTime(started) < Patience)
        {
            Collect(arrived);
        }

        Assert.True(arrived.Contains(witness.Number), "the router does not forward at all");

        // What was to be dropped and comes out later is found when the next packets are.
        var late = arrived.Where(_denied.ContainsKey).Select(number => $"{_denied[number]} came out late").ToList();
        _denied = packets.Where(packet => !packet.Expected && !arrived.Contains(packet.Packet.Number)).ToDictionary(packet => packet.Packet.Number, packet => packet.Packet);
        Assert.Empty(late);
        return arrived;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _datapath.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _sockets.Dispose();
        _router.Dispose();
        _outside.Dispose();
        GC.SuppressFinalize(this);
    }

    private void Collect(HashSet<uint> arrived) => _sockets.Receive(frame =>
    {
        if (FixturePacket.NumberIn(frame) is { } number)
        {
            arrived.Add(number);
        }
    });

    private Endpoint Linked(Endpoint endpoint) =>
        endpoint.Addresses.IsEmpty ? endpoint : endpoint with { Link = _links[endpoint.Addresses[0]] };

    private void Build()
    {
        foreach (var (path, value) in new[]
        {
            ("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1"), ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0"),
            ("ipv6/conf/default/accept_dad", "0"), ("netfilter/nf_conntrack_checksum", "0"),
        })
        {
            _router.SetSysctl(path, value);
        }

        _outside.SetSysctl("ipv6/conf/default/disable_ipv6", "1");
        var groups = AddressesOfActors();
        var (router, outside) = (new StringBuilder(), new StringBuilder());
        for (var number = 0; number < groups.Count; number++)
        {
            router.Append($"link add s{number} index {100 + number} address {FixturePacket.RouterMac} type veth peer name s{number} index {100 + number} netns {_outside.Name}\n");
            router.Append($"link set s{number} up\n");
            outside.Append($"link set s{number} up\n");
            foreach (var address in groups[number])
            {
                router.Append($"route add {IpPrefix.Host(address)} dev s{number}\n");
                router.Append($"neigh add {address} lladdr 02:00:00:00:00:01 dev s{number} nud permanent\n");
                _links.Add(address, new Link($"s{number}", 100 + number));
                _outsideIndexes.Add(address, 100 + number);
            }
        }

        // A route needs its interface up, and that needs the other end up.
        var lines = router.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).ToLookup(line => line.StartsWith("link", StringComparison.Ordinal));
        _router.Ip(string.Join('\n', lines[true]));
        _outside.Ip(outside.ToString());
        _router.Ip(string.Join('\n', lines[false]));
    }

    // Addresses of one actor are on one interface.
    private static List<List<IpAddress>> AddressesOfActors()
    {
        var groups = Witnesses.Select(witness => new List<IpAddress> { witness }).ToList();
        foreach (var actor in Fixture.Names.SelectMany(name => Fixture.Load(name).Actors.Values))
        {
            var addresses = actor.Select(IpAddress.Parse).ToList();
            if (groups.Find(group => group.Any(addresses.Contains)) is { } known)
            {
                known.AddRange(addresses.Except(known));
            }
            else
            {
                groups.Add(addresses);
            }
        }

        return groups;
    }
}

/// <summary>With nf_tables.</summary>
public sealed class NftRouter() : FixtureRouter("nft");

/// <summary>With ip_tables.</summary>
public sealed class LegacyRouter() : FixtureRouter("legacy");
