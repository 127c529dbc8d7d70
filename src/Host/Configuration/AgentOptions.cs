using System.Net;
using Microsoft.Extensions.Logging;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Policy;

namespace Portcullis.Host.Configuration;

/// <summary>The whole configuration, validated.</summary>
internal sealed record AgentOptions(
    SourceOptions Source,
    DatapathOptions Datapath,
    EnforcementOptions Enforcement,
    NodeOptions Node,
    ApiOptions Api,
    MetricsOptions Metrics,
    PluginOptions Plugins,
    LoggingOptions Logging)
{
    /// <summary>The part that every datapath is told.</summary>
    public DatapathSettings DatapathSettings { get; } =
        new(Node.Instance, Enforcement.Established, AllowSpoofing: Enforcement.AllowSpoofing);
}

/// <summary>Section <c>source</c>; the sections below it belong to the plugins.</summary>
internal sealed record SourceOptions(string Plugin);

/// <summary>Section <c>datapath</c>; the sections below it belong to the plugins.</summary>
internal sealed record DatapathOptions(string Plugin)
{
    /// <summary>The value of <c>datapath.plugin</c> that leaves the choice to the agent.</summary>
    public const string Auto = "auto";
}

/// <summary>Section <c>enforcement</c>.</summary>
internal sealed record EnforcementOptions(
    EnforcementMode Mode,
    EstablishedConnections Established,
    bool AllowSpoofing,
    IReadOnlyList<string> InterfacePrefixes);

/// <summary>Section <c>node</c>.</summary>
/// <param name="Name">This node's name; never empty.</param>
/// <param name="Addresses">This node's addresses; empty: every address of the machine's own interfaces.</param>
/// <param name="Instance">What tells agents on one machine apart.</param>
internal sealed record NodeOptions(string Name, IReadOnlyList<IpAddress> Addresses, string Instance);

/// <summary>Section <c>api</c>.</summary>
internal sealed record ApiOptions(string Socket);

/// <summary>Section <c>metrics</c>.</summary>
/// <param name="Listen">Where to listen; null: nowhere.</param>
internal sealed record MetricsOptions(IPEndPoint? Listen);

/// <summary>Section <c>plugins</c>.</summary>
internal sealed record PluginOptions(string Path);

/// <summary>Section <c>logging</c>.</summary>
internal sealed record LoggingOptions(bool Json, LogLevel Level);
