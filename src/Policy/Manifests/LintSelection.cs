using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>The workloads some selectors select, found only as far as a question needs: there may be many of both.</summary>
/// <param name="world">The workloads there are.</param>
/// <param name="space">The namespace; null: <paramref name="namespaces"/> says.</param>
/// <param name="namespaces">The namespaces; null: every one.</param>
/// <param name="pods">The labels; null: any.</param>
internal sealed class LintSelection(LintWorld world, string? space, LabelSelector? namespaces, LabelSelector? pods)
{
    /// <summary>Whether it selects no workload.</summary>
    public bool IsEmpty { get; } = !world.Candidates(space, pods).Any(workload => Contains(world, space, namespaces, pods, workload));

    /// <summary>Whether one of its workloads has a port of this name.</summary>
    public bool Serves(string name, IpProtocol? protocol) => world.Serving(name).Any(workload =>
        Contains(world, space, namespaces, pods, workload)
        && workload.Ports.Any(port => port.Name == name && (protocol is null || port.Protocol == protocol)));

    /// <summary>The names of the ports its workloads have.</summary>
    public IEnumerable<string> PortNames => world.Candidates(space, pods)
        .Where(workload => Contains(world, space, namespaces, pods, workload))
        .SelectMany(workload => workload.Ports)
        .Select(port => port.Name)
        .Distinct();

    private static bool Contains(LintWorld world, string? space, LabelSelector? namespaces, LabelSelector? pods, Workload workload) =>
        (space is null || workload.Namespace == space)
        && (namespaces is null || world.SelectsNamespace(namespaces, workload.Namespace))
        && (pods is null || LintWorld.Matches(pods, workload.Labels));
}
