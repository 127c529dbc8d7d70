using System.Collections.Immutable;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Informers;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes.PolicyEndpoints;

/// <summary>
/// Turns resolved policies into policies of the model. Their pods are named, not selected: every pod carries its name as a label, and the
/// policy selects by it. Their peers are address blocks.
/// </summary>
internal static class PolicyJoiner
{
    /// <summary>The label with a pod's namespace and name. The slash in its value is one that no label of a user can have.</summary>
    private const string PodLabel = "portcullis.dev/pod";

    /// <summary>A pod that policies can name.</summary>
    public static Translated Named(Translated pod) => pod.Resource is Workload workload
        ? pod with { Resource = workload with { Labels = LabelSet.Of((PodLabel, workload.Key.NamespacedName.ToString())) } }
        : pod;

    /// <summary>The NetworkPolicy that PolicyEndpoints are the parts of.</summary>
    public static Translated Join(PolicyReference reference, IReadOnlyList<PolicyEndpoint> parts)
    {
        var problems = new List<Finding>();
        var specs = parts.Select(part => part.Spec).OfType<PolicyEndpointSpec>().ToList();
        var types = Isolates(specs, "Ingress", PolicyTypes.Ingress, spec => spec.Ingress)
            | Isolates(specs, "Egress", PolicyTypes.Egress, spec => spec.Egress);
        var policy = new NetworkPolicy
        {
            Name = reference.Name!,
            Namespace = reference.Namespace!,
            PodSelector = Select(specs),
            Types = types,
            Ingress = Rules(specs.SelectMany(spec => spec.Ingress ?? []), problems),
            Egress = Rules(specs.SelectMany(spec => spec.Egress ?? []), problems),
        };

        // Without a direction that isolates, the policy is one without rules and does nothing.
        return new Translated(types == PolicyTypes.None ? null : policy, Report($"PolicyEndpoint of NetworkPolicy {policy.Namespace}/{policy.Name}", problems));
    }

    /// <summary>The ClusterNetworkPolicy that ClusterPolicyEndpoints are the parts of.</summary>
    public static Translated JoinCluster(PolicyReference reference, IReadOnlyList<PolicyEndpoint> parts)
    {
        var problems = new List<Finding>();
        var specs = parts.Select(part => part.Spec).OfType<PolicyEndpointSpec>().ToList();
        var policy = new ClusterNetworkPolicy
        {
            Name = reference.Name!,
            Tier = specs.Exists(spec => spec.Tier == "Baseline") ? PolicyTier.Baseline : PolicyTier.Admin,
            Priority = specs.Select(spec => spec.Priority).DefaultIfEmpty().First(),
            Subject = new ClusterPolicySubject(LabelSelector.Everything, Select(specs)),
            Ingress = ClusterRules(specs.SelectMany(spec => spec.Ingress ?? []), problems),
            Egress = ClusterRules(specs.SelectMany(spec => spec.Egress ?? []), problems),
        };
        return new Translated(policy, Report($"ClusterPolicyEndpoint of ClusterNetworkPolicy {policy.Name}", problems));
    }

    /// <summary>A direction isolates when it is named, or has rules.</summary>
    private static PolicyTypes Isolates(
        List<PolicyEndpointSpec> specs, string name, PolicyTypes type, Func<PolicyEndpointSpec, List<EndpointRule>?> rules) =>
        specs.Exists(spec => spec.PodIsolation?.Contains(name) == true || rules(spec) is { Count: > 0 }) ? type : PolicyTypes.None;

    private static LabelSelector Select(IEnumerable<PolicyEndpointSpec> specs) => new([
        new LabelRequirement(
            PodLabel,
            LabelOperator.In,
            specs.SelectMany(spec => spec.PodSelectorEndpoints ?? [])
                .Select(pod => $"{pod.Namespace}/{pod.Name}")
                .Distinct()
                .Order(StringComparer.Ordinal)
                .ToEquatableArray()),
    ]);

    /// <summary>One rule for all blocks with the same ports. What cannot be read allows nothing.</summary>
    private static EquatableArray<NetworkPolicyRule> Rules(IEnumerable<EndpointRule> rules, List<Finding> problems) => rules
        .Select(rule => (Block: ReadBlock(rule, problems), Ports: ReadPorts(rule, problems)))
        .Where(rule => rule is { Block: not null, Ports: not null })
        .GroupBy(rule => rule.Ports!.Value, rule => new NetworkPolicyPeer(null, null, rule.Block))
        .Select(group => new NetworkPolicyRule(group.Distinct().ToEquatableArray(), group.Key))
        .ToEquatableArray();

    /// <summary>The order of cluster rules decides, so each stays by itself. What cannot be read fails closed as a rule.</summary>
    private static EquatableArray<ClusterPolicyRule> ClusterRules(IEnumerable<EndpointRule> rules, List<Finding> problems) => rules
        .Select(rule =>
        {
            var before = problems.Count;
            var action = rule.Action switch { "Accept" => RuleAction.Accept, "Pass" => RuleAction.Pass, _ => RuleAction.Deny };
            var block = ReadBlock(rule, problems);
            var ports = ReadPorts(rule, problems);
            var peers = block is null ? [] : (EquatableArray<ClusterPolicyPeer>)[new ClusterPolicyPeer(Networks: [block.Cidr])];
            return new ClusterPolicyRule(
                null,
                action,
                peers,
                ports is { IsEmpty: false } written ? written.Select(ToClusterPort).ToEquatableArray() : null,
                problems.Count > before ? problems[before].Message : null);
        })
        .ToEquatableArray();

    private static ClusterPolicyPort ToClusterPort(NetworkPolicyPort port) =>
        new(port.Protocol, port.Port?.Number, port.EndPort ?? port.Port?.Number);

    private static IpBlock? ReadBlock(EndpointRule rule, List<Finding> problems)
    {
        if (rule.DomainName is { Length: > 0 } domain)
        {
            return Refuse($"the rule for domainName {domain} is not enforced: names are not resolved here, so it allows nothing");
        }

        if (!TryParse(rule.Cidr, out var cidr))
        {
            return Refuse($"'{rule.Cidr}' is no address block: its rule allows nothing");
        }

        var holes = new List<IpPrefix>();
        foreach (var text in rule.Except ?? [])
        {
            if (!TryParse(text, out var hole))
            {
                return Refuse($"'{text}' is no address block: the rule for {cidr} allows nothing");
            }

            holes.Add(hole);
        }

        return new IpBlock(cidr, holes.ToEquatableArray());

        IpBlock? Refuse(string message)
        {
            problems.Add(new Finding(FindingSeverity.Error, default, string.Empty, message));
            return null;
        }
    }

    /// <summary>A single address may be written without a length.</summary>
    private static bool TryParse(string? text, out IpPrefix prefix)
    {
        if (IpAddress.TryParse(text, out var address))
        {
            prefix = IpPrefix.Host(address);
            return true;
        }

        return IpPrefix.TryParse(text, out prefix, out _);
    }

    private static EquatableArray<NetworkPolicyPort>? ReadPorts(EndpointRule rule, List<Finding> problems)
    {
        var ports = new List<NetworkPolicyPort>();
        foreach (var port in rule.Ports ?? [])
        {
            IpProtocol? protocol = port.Protocol switch
            {
                null or "" or "TCP" => IpProtocol.Tcp,
                "UDP" => IpProtocol.Udp,
                "SCTP" => IpProtocol.Sctp,
                _ => null,
            };
            if (protocol is null || port.Port is < 0 or > ushort.MaxValue || (port.EndPort is { } end && (end < port.Port || end > ushort.MaxValue)))
            {
                problems.Add(new Finding(
                    FindingSeverity.Error, default, string.Empty, $"{port.Protocol} {port.Port}-{port.EndPort} is no port: the rule for {rule.Cidr} allows nothing"));
                return null;
            }

            // The controller writes 0 where a port is not limited.
            ports.Add(port.Port is null or 0
                ? new NetworkPolicyPort(protocol.Value, null, null)
                : new NetworkPolicyPort(protocol.Value, (ushort)port.Port.Value, port.EndPort is { } last and > 0 ? (ushort)last : null));
        }

        return ports.ToEquatableArray();
    }

    private static ImmutableArray<Finding> Report(string name, IEnumerable<Finding> problems) =>
        [.. problems.Select(problem => problem with { Object = name }).Distinct()];
}
