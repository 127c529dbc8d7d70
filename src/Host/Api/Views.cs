using Portcullis.Host.Configuration;
using Portcullis.Host.Enforcement;
using Portcullis.Host.Plugins;
using Portcullis.Policy.Store;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Host.Api;

/// <summary>The agent's status as scripts see it.</summary>
internal static class StatusView
{
    /// <summary>Makes it.</summary>
    public static StatusDto Of(AgentStatus status, AgentOptions options) => new(
        status.Ready,
        status.Revision,
        status.AppliedRevision,
        options.Enforcement.Mode.ToString().ToLowerInvariant(),
        options.Node.Name,
        options.Node.Instance,
        new StatusDatapathDto(status.Datapath.Plugin, status.Datapath.Reason),
        new StatusSourceDto(options.Source.Plugin, status.Synced),
        status.Endpoints,
        status.EndpointsWithoutInterface,
        status.Policies,
        status.PeerSets,
        status.RuleSets,
        [.. status.Problems.Select(FindingDto.From)]);
}

/// <summary>Endpoints as scripts see them.</summary>
internal static class EndpointsView
{
    /// <summary>Makes them.</summary>
    public static EndpointsDto Of(IEnumerable<Endpoint> endpoints) => new([.. endpoints.Select(endpoint => new EndpointDto(
        endpoint.Workload.Namespace,
        endpoint.Workload.Name,
        endpoint.Link?.Name ?? endpoint.InterfaceName,
        endpoint.Link?.Index,
        endpoint.Side == InterfaceSide.Peer ? "peer" : "self",
        [.. endpoint.Addresses.Select(address => address.ToString())],
        endpoint.Ingress is not null,
        endpoint.Egress is not null))]);
}

/// <summary>Policies as scripts see them.</summary>
internal static class PoliciesView
{
    /// <summary>Makes them, in order of their names.</summary>
    public static PoliciesDto Of(World world) =>
        new([.. world.ClusterNetworkPolicies.Select(Describe), .. world.NetworkPolicies.Select(Describe)]);

    private static PolicyDto Describe(NetworkPolicy policy)
    {
        var types = policy.Types;
        if (types == PolicyTypes.None)
        {
            types = policy.Egress.IsEmpty ? PolicyTypes.Ingress : PolicyTypes.Ingress | PolicyTypes.Egress;
        }

        return new PolicyDto(
            nameof(NetworkPolicy),
            policy.Namespace,
            policy.Name,
            Tier: null,
            Priority: null,
            Directions(types.HasFlag(PolicyTypes.Ingress), types.HasFlag(PolicyTypes.Egress)),
            policy.Audit,
            policy.Defect,
            policy.Position.File,
            Line(policy.Position));
    }

    private static PolicyDto Describe(ClusterNetworkPolicy policy) => new(
        nameof(ClusterNetworkPolicy),
        Namespace: null,
        policy.Name,
        policy.Tier.ToString(),
        policy.Priority,
        Directions(!policy.Ingress.IsEmpty, !policy.Egress.IsEmpty),
        policy.Audit,
        policy.Defect,
        policy.Position.File,
        Line(policy.Position));

    private static string[] Directions(bool ingress, bool egress) => [.. ingress ? ["ingress"] : Array.Empty<string>(), .. egress ? ["egress"] : Array.Empty<string>()];

    private static int? Line(SourcePosition position) => position.Line == 0 ? null : position.Line;
}

/// <summary>Plugins as scripts see them.</summary>
internal static class PluginsView
{
    /// <summary>Makes them.</summary>
    public static PluginsDto Of(string path, IEnumerable<PluginReport> reports) => new(path, [.. reports.Select(report => new PluginDto(
        report.Name,
        report.Kind?.ToString().ToLowerInvariant(),
        report.State.ToString().ToLowerInvariant(),
        report.Reason,
        report.Version,
        report.Folder))]);
}
