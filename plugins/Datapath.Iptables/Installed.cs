using Portcullis.Datapath.Iptables.Flows;
using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;

namespace Portcullis.Datapath.Iptables;

/// <summary>What is in force in the kernel.</summary>
/// <param name="World">The rules; locked while they change.</param>
/// <param name="Layout">The chains and sets that stand for them.</param>
/// <param name="Iptables">The backend they are in.</param>
/// <param name="Ipset">The sets' program.</param>
/// <param name="Explainer">Explains what the chains report.</param>
internal sealed record Installed(World World, Layout Layout, IptablesTool Iptables, IpsetTool Ipset, FlowExplainer Explainer)
{
    /// <summary>Endpoints that cannot be told by their interface.</summary>
    public IReadOnlyList<Finding> InterfaceProblems { get; set; } = [];

    /// <summary>What is not enforced as asked.</summary>
    public IReadOnlyList<Finding> Problems => [.. InterfaceProblems, .. Layout.Closed];

    /// <summary>What the last changes left to remove: nothing reaches it.</summary>
    public Plan Leftovers { get; set; } = new();

    /// <summary>Grows with every change of chains.</summary>
    public int ChainsVersion { get; set; }

    /// <summary>Grows with every change of sets.</summary>
    public int SetsVersion { get; set; }

    /// <summary>The instance's rules as the kernel lists them; null until they were listed after the last change.</summary>
    public string? Fingerprint { get; set; }
}
