using System.Diagnostics;
using Portcullis.Datapaths;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.TestSupport;

namespace Portcullis.Datapath.Conformance;

/// <summary>A node with two pods in network namespaces of their own, and a datapath on it.</summary>
internal abstract class PolicedNode : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Long enough for a packet that passes; a dropped one never comes.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(400);

    private readonly Dictionary<string, int> _links;
    private readonly Func<DatapathSettings, IDatapath> _open;
    private long _revision;

    /// <summary>Builds the node.</summary>
    /// <param name="settings">The datapath's settings.</param>
    /// <param name="open">Makes a datapath; called in the network namespace that it is for.</param>
    protected PolicedNode(DatapathSettings settings, Func<DatapathSettings, IDatapath> open)
    {
        _open = open;
        Settings = settings;
        Network = PodNetwork.Create($"pccon-{Guid.NewGuid():N}"[..15], IpAddress.Parse("10.214.0.1"), IpAddress.Parse("fd00:214::1"));
        try
        {
            A = Network.AddPod(new("default", "a"), IpAddress.Parse("10.214.0.2"), IpAddress.Parse("fd00:214::2"));
            B = Network.AddPod(new("default", "b"), IpAddress.Parse("10.214.0.3"), IpAddress.Parse("fd00:214::3"));
            _links = new[] { A, B }.ToDictionary(pod => pod.HostInterface, pod => IndexOf(Network.Node, pod.HostInterface));
            Datapath = OpenAnother(settings);
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

    public IDatapath Datapath { get; private set; }

    public DatapathSettings Settings { get; }

    /// <summary>Another process' datapath, on the node or elsewhere.</summary>
    public IDatapath OpenAnother(DatapathSettings settings, NetworkNamespace? network = null) => (network ?? Network.Node).Run(() => _open(settings));

    /// <summary>The process ends and another begins.</summary>
    public async Task RestartAsync()
    {
        await Datapath.DisposeAsync();
        Datapath = OpenAnother(Settings);
    }

    public ValueTask DisposeAsync() => EndUseAsync();

    /// <summary>Makes this the whole world.</summary>
    public Task<ApplyResult> ReplaceAsync(IEnumerable<RuleSet> rules, IEnumerable<PeerSetDelta> peers, params Endpoint[] endpoints) =>
        ApplyAsync(new ChangeSet { Revision = 0, Replace = true, RuleSets = [.. rules], PeerSets = [.. peers], Endpoints = [.. endpoints] });

    public Task<ApplyResult> ApplyAsync(ChangeSet changes) => ApplyAsync(Datapath, changes);

    /// <summary>Applies to a datapath in the namespace that it is for.</summary>
    public Task<ApplyResult> ApplyAsync(IDatapath datapath, ChangeSet changes, NetworkNamespace? network = null)
    {
        var cancellation = TestContext.Current.CancellationToken;
        return CallAsync(() => datapath.ApplyAsync(changes with { Revision = ++_revision }, cancellation), network);
    }

    public Task<IReadOnlyList<string>> CleanupAsync() => CleanupAsync(Datapath);

    /// <summary>Removes what a datapath has in the kernel, in the namespace that it is for.</summary>
    public Task<IReadOnlyList<string>> CleanupAsync(IDatapath datapath, NetworkNamespace? network = null) =>
        CallAsync(() => datapath.CleanupAsync(allInstances: false, CancellationToken.None), network);

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
    public string Run(string program, params string[] arguments) => RunWithInput(program, string.Empty, arguments);

    /// <summary>Runs a program on the node with this standard input and returns what it printed.</summary>
    public string RunWithInput(string program, string input, params string[] arguments) => Network.Node.Run(() =>
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program}: {error.GetAwaiter().GetResult()}");
    });

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

    /// <summary>The index of an interface.</summary>
    public static int IndexOf(NetworkNamespace network, string link) => int.Parse(IpCommand.Run("-n", network.Name, "-o", "link", "show", "dev", link).Split(':')[0]);

    /// <summary>Called when a test does not need it any more.</summary>
    protected virtual ValueTask EndUseAsync() => RemoveAsync();

    /// <summary>Removes everything.</summary>
    protected async ValueTask RemoveAsync()
    {
        await Datapath.DisposeAsync();
        Network.Dispose();
    }

    private Task<T> CallAsync<T>(Func<ValueTask<T>> call, NetworkNamespace? network = null) => Task.Run(() => (network ?? Network.Node).Run(() => call().AsTask().GetAwaiter().GetResult()));
}
