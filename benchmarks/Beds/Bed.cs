using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Portcullis.Benchmarks.Running;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Datapath.Ebpf;
using Portcullis.Datapath.Iptables;
using Portcullis.Datapaths;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Benchmarks.Beds;

/// <summary>
/// A node of its own, in network namespaces, with the pods client and server, as many further interfaces as asked for, and one
/// datapath.
/// </summary>
internal sealed class Bed : IDisposable
{
    private static readonly DatapathSettings Settings = new("unset", EstablishedConnections.Enforce, AllowSpoofing: false);

    private readonly Dictionary<NamespacedName, Link> _links = [];
    private readonly PolicyCompiler _compiler = new(new PolicyOptions { NodeName = RuleWorld.Node, NodeAddresses = [.. RuleWorld.NodeAddresses] });
    private readonly NodeThread _node;
    private EmptyPrograms? _empty;
    private IDatapath? _datapath;
    private long _revision;

    private Bed(DatapathKind kind, PodNetwork network)
    {
        Kind = kind;
        Network = network;
        _node = new NodeThread(network.Node);
        Client = network.AddPod(RuleWorld.Client.Key.NamespacedName, [.. RuleWorld.ClientAddresses]);
        Server = network.AddPod(RuleWorld.Server.Key.NamespacedName, [.. RuleWorld.ServerAddresses]);
    }

    public DatapathKind Kind { get; }

    public PodNetwork Network { get; }

    public NetworkPod Client { get; }

    public NetworkPod Server { get; }

    /// <summary>How long the datapath took for the last change.</summary>
    public TimeSpan DatapathTime { get; private set; }

    /// <summary>The datapath's own account of its tables.</summary>
    public DatapathStatus Status => _datapath?.GetStatus() ?? new DatapathStatus();

    /// <summary>Why a kind cannot be measured here; null: it can.</summary>
    public static string? Missing(DatapathKind kind) => kind switch
    {
        DatapathKind.NftSet when !Commands.Exists("nft") => "nft is not installed: apt-get install nftables",
        DatapathKind.Linear or DatapathKind.Iptables when !Commands.Exists("iptables-restore") => "iptables-restore is not installed: apt-get install iptables",
        DatapathKind.Ebpf or DatapathKind.Iptables => Unsupported(kind),
        DatapathKind.Empty => Unsupported(DatapathKind.Ebpf),
        _ => null,
    };

    /// <summary>Makes a node. It is removed when disposed, or when the run is interrupted.</summary>
    /// <param name="kind">What judges packets there.</param>
    /// <param name="interfaces">How many further interfaces there are, for the local pods of a <see cref="RuleWorld"/>.</param>
    public static Bed Create(DatapathKind kind, int interfaces = 0)
    {
        var name = Remains.NewName();
        Bed bed;
        using (Remains.Change())
        {
            bed = new Bed(kind, PodNetwork.Create(name, [.. RuleWorld.NodeAddresses]));
            Remains.Own(bed);
        }

        try
        {
            bed.AddInterfaces(interfaces);
            bed.ReadLinks();
            bed._datapath = bed.Open(name);
            return bed;
        }
        catch
        {
            bed.Dispose();
            throw;
        }
    }

    /// <summary>Puts a world in force.</summary>
    public void Load(RuleWorld world)
    {
        switch (Kind)
        {
            case DatapathKind.None:
                Compile([.. world.Resources]);
                break;
            case DatapathKind.Empty:
                _empty = Network.Node.Run(() => new EmptyPrograms([_links[Client.Name].Index, _links[Server.Name].Index]));
                break;
            case DatapathKind.Linear:
                Commands.Run(Network.Node, HandWritten.LinearChain(world, IpFamily.IPv4), "iptables-restore");
                Commands.Run(Network.Node, HandWritten.LinearChain(world, IpFamily.IPv6), "ip6tables-restore");
                break;
            case DatapathKind.NftSet:
                Commands.Run(Network.Node, HandWritten.NftSet(world), "nft", "-f", "-");
                break;
            default:
                Change([.. world.Resources]);
                break;
        }
    }

    /// <summary>What changes of resources come to, with the interfaces of this node.</summary>
    public ChangeSet Compile(params IReadOnlyList<Resource> resources)
    {
        var changes = new ResourceChange[resources.Count];
        for (var i = 0; i < changes.Length; i++)
        {
            changes[i] = ResourceChange.Upsert(resources[i]);
        }

        _compiler.Apply(changes);
        var set = _compiler.Flush(++_revision);
        return set with
        {
            Replace = _revision == 1,
            Endpoints = [.. set.Endpoints.Select(endpoint => endpoint with { Link = _links.TryGetValue(endpoint.Workload, out var link) ? link : null })],
        };
    }

    /// <summary>Brings changes of resources into force, as the agent does: compiles, then lets the datapath enforce.</summary>
    public void Change(params IReadOnlyList<Resource> resources) => Apply(Compile(resources));

    /// <summary>Lets the datapath enforce a change set.</summary>
    public void Apply(ChangeSet changes)
    {
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        if (_datapath is not null)
        {
            // On a thread of the node's namespace, where interface indexes mean what they say.
            var result = OnNode(() => _datapath.ApplyAsync(changes, CancellationToken.None).AsTask().GetAwaiter().GetResult());
            if (result.Problems.Count > 0)
            {
                throw new BenchException($"the {Kind.Text()} datapath does not enforce everything: {result.Problems[0].Message}");
            }
        }

        DatapathTime = System.Diagnostics.Stopwatch.GetElapsedTime(start);
    }

    /// <summary>
    /// Takes the datapath out of the kernel, lets another enforce a world without the pods of further interfaces, and makes these anew.
    /// </summary>
    /// <returns>The endpoints of these pods, for <see cref="Apply"/>.</returns>
    public ChangeSet Renew(ChangeSet world)
    {
        // Before the datapath: what is attached goes with its interface, without waiting for each link.
        RemoveInterfaces();
        Close();
        _datapath = Open(Remains.NewName());
        Endpoint[] first = [.. world.Endpoints.Where(endpoint => IsWired(endpoint.Workload))];
        Apply(world with { Endpoints = [.. first] });
        AddInterfaces(world.Endpoints.Length - first.Length);
        ReadLinks();
        return new ChangeSet
        {
            Revision = world.Revision + 1,
            Endpoints = [.. world.Endpoints.Except(first).Select(endpoint => endpoint with { Link = _links[endpoint.Workload] })],
        };
    }

    public void Dispose()
    {
        using var changing = Remains.Change();
        if (Remains.Disown(this))
        {
            try
            {
                Close();
            }
            finally
            {
                _node.Dispose();
                Network.Dispose();
            }
        }
    }

    private T OnNode<T>(Func<T> function) => _node.Run(function);

    private static string? Unsupported(DatapathKind kind)
    {
        var datapath = Create(kind, "probe");
        var support = datapath.ProbeAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
        datapath.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return support.IsSupported ? null : support.Reason;
    }

    private static IDatapath Create(DatapathKind kind, string instance)
    {
        var settings = Settings with { Instance = instance };
        return kind == DatapathKind.Ebpf
            ? new EbpfDatapath(settings, NullLogger<EbpfDatapath>.Instance, TimeProvider.System)
            : new IptablesDatapath(settings, TimeProvider.System, NullLogger<IptablesDatapath>.Instance);
    }

    private IDatapath? Open(string instance) =>
        Kind is DatapathKind.Ebpf or DatapathKind.Iptables ? OnNode(() => Create(Kind, instance)) : null;

    private void Close()
    {
        _empty?.Dispose();
        _empty = null;
        if (_datapath is { } datapath)
        {
            _datapath = null;
            OnNode(() => datapath.CleanupAsync(allInstances: false, CancellationToken.None).AsTask().GetAwaiter().GetResult());
            OnNode(() =>
            {
                datapath.DisposeAsync().AsTask().GetAwaiter().GetResult();
                return true;
            });
        }
    }

    // Pairs of veth, both ends on the node: two interfaces at once that every kernel has.
    private void AddInterfaces(int count)
    {
        var pairs = Enumerable.Range(0, (count + 1) / 2);
        if (count > 0)
        {
            Network.Node.Ip(string.Join('\n', pairs.Select(pair => $"link add bench{(2 * pair) + 1} type veth peer name bench{(2 * pair) + 2}")));
        }
    }

    private void RemoveInterfaces()
    {
        Network.Node.Ip(string.Join('\n', _links.Where(link => !IsWired(link.Key)).Select(link => link.Value.Name)
            .Where(name => int.Parse(name["bench".Length..], CultureInfo.InvariantCulture) % 2 == 1).Select(name => $"link del {name}")));
        foreach (var pod in _links.Keys.Where(pod => !IsWired(pod)).ToList())
        {
            _links.Remove(pod);
        }
    }

    private bool IsWired(NamespacedName pod) => pod == Client.Name || pod == Server.Name;

    private void ReadLinks()
    {
        foreach (var line in IpLinks())
        {
            // "7: bench3@bench4: <...": index, name and what it is paired with.
            var words = line.Split(": ", 3);
            var name = words[1].Split('@')[0];
            var link = new Link(name, int.Parse(words[0], CultureInfo.InvariantCulture));
            if (name == Client.HostInterface)
            {
                _links[Client.Name] = link;
            }
            else if (name == Server.HostInterface)
            {
                _links[Server.Name] = link;
            }
            else if (name.StartsWith("bench", StringComparison.Ordinal))
            {
                _links[RuleWorld.LocalPod(int.Parse(name[5..], CultureInfo.InvariantCulture)).Key.NamespacedName] = link;
            }
        }
    }

    private string[] IpLinks() =>
        Host.Native.IpCommand.Run("-n", Network.Node.Name, "-o", "link", "show").Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
