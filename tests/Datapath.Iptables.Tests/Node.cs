using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;

namespace Portcullis.Datapath.Iptables.Tests;

/// <summary>A node with two pods in network namespaces of their own, and the datapath on it.</summary>
internal sealed class Node : IAsyncDisposable
{
    public const string Instance = "ipt-test";

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Long enough for a packet that passes; a dropped one never comes.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(400);

    private readonly Backend _backend;
    private readonly Dictionary<string, int> _links;
    private readonly TimeProvider _time;
    private readonly Warnings _log = new();
    private long _revision;

    public Node(string backend, DatapathSettings? settings = null, TimeProvider? time = null)
    {
        _time = time ?? Time;
        Root.Require("ip", "ipset", $"iptables-{backend}-restore", $"ip6tables-{backend}-restore");
        _backend = backend == "nft" ? Backend.Nft : Backend.Legacy;
        Network = PodNetwork.Create($"pcipt-{Guid.NewGuid():N}"[..15], IpAddress.Parse("10.214.0.1"), IpAddress.Parse("fd00:214::1"));
        try
        {
            A = Network.AddPod(new("default", "a"), IpAddress.Parse("10.214.0.2"), IpAddress.Parse("fd00:214::2"));
            B = Network.AddPod(new("default", "b"), IpAddress.Parse("10.214.0.3"), IpAddress.Parse("fd00:214::3"));
            _links = new[] { A, B }.ToDictionary(pod => pod.HostInterface, pod => IndexOf(Network.Node, pod.HostInterface));
            Datapath = Open(settings ?? new DatapathSettings(Instance, EstablishedConnections.Enforce, AllowSpoofing: false));
        }
        catch
        {
            Network.Dispose();
            throw;
        }
    }

    public PodNetwork Network { get; }

    public NetworkPod A { get; }

    public NetworkPod B { get; }

    public FakeTimeProvider Time { get; } = new();

    public IptablesDatapath Datapath { get; private set; }

    /// <summary>A second process' datapath on the same node.</summary>
    public IptablesDatapath Open(DatapathSettings settings, NetworkNamespace? network = null) =>
        (network ?? Network.Node).Run(() => new IptablesDatapath(settings, _time, _log, _backend));

    /// <summary>The process ends and another begins.</summary>
    public async Task RestartAsync()
    {
        await Datapath.DisposeAsync();
        Datapath = Open(new DatapathSettings(Instance, EstablishedConnections.Enforce, AllowSpoofing: false));
    }

    public async ValueTask DisposeAsync()
    {
        await Datapath.DisposeAsync();
        Network.Dispose();
    }

    /// <summary>Makes this the whole world.</summary>
    public async Task<ApplyResult> ReplaceAsync(IEnumerable<RuleSet> rules, IEnumerable<PeerSetDelta> peers, params Endpoint[] endpoints) =>
        await Datapath.ApplyAsync(
            new ChangeSet { Revision = ++_revision, Replace = true, RuleSets = [.. rules], PeerSets = [.. peers], Endpoints = [.. endpoints] },
            TestContext.Current.CancellationToken);

    public async Task<ApplyResult> ApplyAsync(ChangeSet changes) =>
        await Datapath.ApplyAsync(changes with { Revision = ++_revision }, TestContext.Current.CancellationToken);

    public Endpoint Endpoint(NetworkPod pod, int? ingress = null, int? egress = null) => new(
        pod.Name,
        pod.HostInterface,
        InterfaceSide.Peer,
        pod.Addresses,
        ingress is { } i ? new RuleSetId(i) : null,
        egress is { } e ? new RuleSetId(e) : null,
        new Link(pod.HostInterface, _links[pod.HostInterface]));

    public static PeerSetDelta Peers(int id, params IEnumerable<string> prefixes) => new(new(id), $"set {id}", [.. prefixes.Select(IpPrefix.Parse)], []);

    public static PeerSetDelta PeersOf(int id, NetworkPod pod) => new(new(id), $"set {id}", [.. pod.Addresses.Items.Select(IpPrefix.Host)], []);

    public static RuleReference Reference(string policy, int? rule = null) =>
        new(RuleOrigin.NetworkPolicy, new NamespacedName("default", policy), rule);

    public static Rule Rule(RuleAction action, int? peers, params PortRange[] ports) =>
        new(action, peers is { } id ? [new PeerSetId(id)] : null, ports.Length == 0 ? null : [.. ports], Reference("policy", 0));

    public static PortRange Port(IpProtocol protocol, ushort port) => new(protocol, port, port);

    /// <summary>A rule set that only allows what the rules accept.</summary>
    public static RuleSet Isolated(int id, Direction direction, params Rule[] rules) =>
        new(new RuleSetId(id), direction, [new RuleTier(RuleTierKind.NetworkPolicy, [.. rules], Reference("policy"))]);

    public static Task<ProbeOutcome> TcpAsync(NetworkPod from, NetworkPod to, IpFamily family, int port) =>
        TcpProbe.ConnectAsync(from.Network, to.Address(family), port, Limit, TestContext.Current.CancellationToken);

    public static Task<ProbeOutcome> UdpAsync(NetworkPod from, NetworkPod to, IpFamily family, int port) =>
        UdpEcho.ProbeAsync(from.Network, to.Address(family), port, Limit, TestContext.Current.CancellationToken);

    /// <summary>Runs a program on the node and returns what it printed.</summary>
    public string Run(string program, params string[] arguments) => Run(program, string.Empty, arguments);

    public string RunWithInput(string program, string input, params string[] arguments) => Run(program, input, arguments);

    /// <summary>The rules and chains of a family as the backend lists them, without counters.</summary>
    public string Saved(IpFamily family) => string.Join('\n', Run(family == IpFamily.IPv4 ? $"iptables-{_backend.Name}-save" : $"ip6tables-{_backend.Name}-save")
        .Split('\n')
        .Where(line => !line.StartsWith('#'))
        .Select(line => line.StartsWith(':') ? line[..line.IndexOf('[', StringComparison.Ordinal)] : line));

    /// <summary>Waits until the datapath has logged a warning.</summary>
    public Task UntilWarnedAsync(string text) =>
        UntilAsync(() => _log.Texts.Any(warning => warning.Contains(text, StringComparison.Ordinal)), $"a warning of {text}");

    /// <summary>Waits until a condition holds.</summary>
    public static async Task UntilAsync(Func<bool> condition, string missing)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, $"not within {Patience.TotalSeconds} s: {missing}");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    private string Run(string program, string input, string[] arguments) => Network.Node.Run(() =>
    {
        var result = Tool.Find(program)!.Run(input, arguments);
        return result.ExitCode == 0 ? result.Output : throw new InvalidOperationException($"{program}: {result.Error}");
    });

    /// <summary>The index of an interface.</summary>
    public static int IndexOf(NetworkNamespace network, string link) => int.Parse(IpCommand.Run("-n", network.Name, "-o", "link", "show", "dev", link).Split(':')[0]);

    private sealed class Warnings : ILogger<IptablesDatapath>
    {
        public ConcurrentQueue<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Texts.Enqueue(formatter(state, exception));
    }
}
