using Portcullis.Net;
using Portcullis.Policy.Evaluator;
using Portcullis.Policy.Store;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;
using Xunit;

namespace Portcullis.Policy.Tests.Support;

/// <summary>A small cluster that is judged twice, by compiled rules and by the evaluator, which have to agree.</summary>
internal sealed class Cluster
{
    public static readonly Probe Tcp80 = new(IpProtocol.Tcp, 80);
    public static readonly Probe Icmp = new(null, 0);

    private readonly PolicyOptions _options;
    private readonly PolicyStore _store = new();
    private readonly Compiled _compiled;

    public Cluster(params ReadOnlySpan<Resource> resources)
        : this(new PolicyOptions(), resources)
    {
    }

    public Cluster(PolicyOptions options, params ReadOnlySpan<Resource> resources)
    {
        _options = options;
        _compiled = new Compiled(options);
        Put(resources);
    }

    public Compiled Compiled => _compiled;

    public PolicyEvaluator Evaluator => new(_store.ToWorld(), _options);

    public Cluster Put(params ReadOnlySpan<Resource> resources)
    {
        var changes = new List<ResourceChange>();
        foreach (var resource in resources)
        {
            changes.Add(ResourceChange.Upsert(resource));
        }

        _compiled.Apply([.. _store.Apply([.. changes])]);
        return this;
    }

    public Cluster Delete(Resource resource)
    {
        _compiled.Apply([.. _store.Apply([ResourceChange.Delete(resource.Key)])]);
        return this;
    }

    /// <summary>Whether a connection passes egress of its sender and ingress of its receiver.</summary>
    public bool Passes(string from, string to, Probe probe) =>
        Judge(Direction.Egress, from, to, probe).Allowed && Judge(Direction.Ingress, to, from, probe).Allowed;

    public bool Passes(string from, string to, int port = 80, IpProtocol protocol = IpProtocol.Tcp) =>
        Passes(from, to, new Probe(protocol, (ushort)port));

    public Verdict Judge(Direction direction, string subject, string peer, Probe probe)
    {
        var (own, other) = (IpAddress.Parse(subject), IpAddress.Parse(peer));
        if (Evaluator.OwnerOf(own) is not { } workload)
        {
            return new Verdict(true, null, null, "not a pod");
        }

        var verdict = Evaluator.Judge(direction, workload, other, probe);
        if (own == other)
        {
            return verdict;
        }

        var endpoint = _compiled.World.Endpoints[workload.Key.NamespacedName];
        var compiled = RuleSetJudge.Judge(_compiled.World, endpoint, direction, other, probe);
        Assert.True(
            verdict.Allowed == compiled.Allowed && verdict.AuditDeniedBy == compiled.AuditDeniedBy,
            $"{direction} of {subject}, peer {peer}, {probe}: evaluator {verdict}, compiled {compiled}");
        return verdict;
    }

    public static Workload Pod(string name, string addresses, params ReadOnlySpan<(string Key, string Value)> labels) => new()
    {
        Namespace = name.Contains('/', StringComparison.Ordinal) ? name.Split('/')[0] : "default",
        Name = name.Split('/')[^1],
        Addresses = addresses.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(IpAddress.Parse).ToEquatableArray(),
        Labels = LabelSet.Of(labels),
    };

    public static NetworkPolicy Ingress(string name, LabelSelector pods, params ReadOnlySpan<NetworkPolicyRule> rules) =>
        new() { Namespace = "default", Name = name, PodSelector = pods, Types = PolicyTypes.Ingress, Ingress = EquatableArray.Create(rules) };

    public static NetworkPolicy Egress(string name, LabelSelector pods, params ReadOnlySpan<NetworkPolicyRule> rules) =>
        new() { Namespace = "default", Name = name, PodSelector = pods, Types = PolicyTypes.Egress, Egress = EquatableArray.Create(rules) };

    public static LabelSelector Has(string key, string value) => new([new LabelRequirement(key, LabelOperator.In, [value])]);

    public static LabelSelector Where(string key, LabelOperator operation, params ReadOnlySpan<string> values) =>
        new([new LabelRequirement(key, operation, EquatableArray.Create(values))]);

    public static NetworkPolicyPeer Pods(LabelSelector? pods, LabelSelector? namespaces = null) => new(pods, namespaces, null);

    public static NetworkPolicyPeer Block(string cidr, params ReadOnlySpan<string> except)
    {
        var holes = new List<IpPrefix>();
        foreach (var hole in except)
        {
            holes.Add(IpPrefix.Parse(hole));
        }

        return new NetworkPolicyPeer(null, null, new IpBlock(IpPrefix.Parse(cidr), holes.ToEquatableArray()));
    }

    public static NetworkPolicyRule Allow(NetworkPolicyPeer[] peers, params ReadOnlySpan<NetworkPolicyPort> ports) =>
        new(peers.ToEquatableArray(), EquatableArray.Create(ports));

    public static NetworkPolicyPort Port(int port, IpProtocol protocol = IpProtocol.Tcp, int? end = null) =>
        new(protocol, (ushort)port, (ushort?)end);

    public static NetworkPolicyPort Port(string name, IpProtocol protocol = IpProtocol.Tcp) => new(protocol, name, null);

    public static ClusterNetworkPolicy Admin(string name, params ReadOnlySpan<ClusterPolicyRule> egress) => new()
    {
        Name = name,
        Subject = new ClusterPolicySubject(LabelSelector.Everything, null),
        Egress = EquatableArray.Create(egress),
    };

    public static ClusterPolicyRule Rule(RuleAction action, ClusterPolicyPeer peer, params ReadOnlySpan<ClusterPolicyPort> ports) =>
        new(null, action, [peer], ports.IsEmpty ? null : EquatableArray.Create(ports));

    public static ClusterPolicyPeer Networks(params ReadOnlySpan<string> networks)
    {
        var prefixes = new List<IpPrefix>();
        foreach (var network in networks)
        {
            prefixes.Add(IpPrefix.Parse(network));
        }

        return new ClusterPolicyPeer(Networks: prefixes.ToEquatableArray());
    }

    public static ClusterPolicyPeer AllPods { get; } = new(Pods: new ClusterPolicySubject(LabelSelector.Everything, null));
}
