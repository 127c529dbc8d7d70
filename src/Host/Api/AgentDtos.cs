using System.Text.Json.Serialization;

namespace Portcullis.Host.Api;

/// <summary>The answer of <c>status</c> and <c>wait</c>.</summary>
internal sealed record StatusDto(
    bool Ready,
    long Revision,
    long AppliedRevision,
    string Mode,
    string Node,
    string Instance,
    StatusDatapathDto Datapath,
    StatusSourceDto Source,
    int Endpoints,
    int EndpointsWithoutInterface,
    int Policies,
    int PeerSets,
    int RuleSets,
    IReadOnlyList<FindingDto> Problems);

/// <summary>The datapath in use and why.</summary>
internal sealed record StatusDatapathDto(string Plugin, string Reason);

/// <summary>The source in use.</summary>
internal sealed record StatusSourceDto(string Plugin, bool Synced);

/// <summary>One finding; file and line are null when it stands nowhere in particular.</summary>
internal sealed record FindingDto(string Severity, string? File, int? Line, int? Column, string Object, string Message)
{
    /// <summary>The finding as scripts see it.</summary>
    public static FindingDto From(Finding finding) => new(
        finding.Severity switch { FindingSeverity.Error => "error", FindingSeverity.Warning => "warning", _ => "note" },
        finding.Position.File,
        finding.Position.Line == 0 ? null : finding.Position.Line,
        finding.Position.Column == 0 ? null : finding.Position.Column,
        finding.Object,
        finding.Message);
}

/// <summary>The answer of <c>check</c>.</summary>
internal sealed record CheckDto(IReadOnlyList<FindingDto> Findings);

/// <summary>One local workload, or an interface that is closed because it belongs to none.</summary>
internal sealed record EndpointDto(
    string Namespace,
    string Name,
    string? Interface,
    int? InterfaceIndex,
    string Side,
    IReadOnlyList<string> Addresses,
    bool IngressPoliced,
    bool EgressPoliced);

/// <summary>The answer of <c>endpoints</c>.</summary>
internal sealed record EndpointsDto(IReadOnlyList<EndpointDto> Endpoints);

/// <summary>One policy.</summary>
internal sealed record PolicyDto(
    string Kind,
    string? Namespace,
    string Name,
    string? Tier,
    int? Priority,
    IReadOnlyList<string> Directions,
    bool Audit,
    string? Defect,
    string? File,
    int? Line);

/// <summary>The answer of <c>policies</c>.</summary>
internal sealed record PoliciesDto(IReadOnlyList<PolicyDto> Policies);

/// <summary>One plugin folder.</summary>
internal sealed record PluginDto(string Name, string? Kind, string State, string Reason, string? Version, string Folder);

/// <summary>The answer of <c>plugins</c>.</summary>
internal sealed record PluginsDto(string Path, IReadOnlyList<PluginDto> Plugins);

/// <summary>The answer of <c>cleanup</c>.</summary>
internal sealed record CleanupDto(IReadOnlyList<string> Removed);

/// <summary>Why the agent could not do what it was asked.</summary>
internal sealed record ErrorDto(int ExitCode, IReadOnlyList<string> Errors);

/// <summary>One verdict event.</summary>
internal sealed record FlowDto(
    DateTimeOffset Time,
    string Direction,
    string Verdict,
    string Reason,
    FlowPeerDto Source,
    FlowPeerDto Destination,
    string Protocol,
    FlowPolicyDto? Policy);

/// <summary>One end of a flow; namespace and name are null when the address belongs to no known workload.</summary>
internal sealed record FlowPeerDto(string Ip, int Port, string? Namespace, string? Name);

/// <summary>The policy that decided about a flow.</summary>
internal sealed record FlowPolicyDto(string Kind, string? Namespace, string Name, int? Rule);

/// <summary>How all of these look as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StatusDto))]
[JsonSerializable(typeof(CheckDto))]
[JsonSerializable(typeof(EndpointsDto))]
[JsonSerializable(typeof(PoliciesDto))]
[JsonSerializable(typeof(PluginsDto))]
[JsonSerializable(typeof(CleanupDto))]
[JsonSerializable(typeof(ErrorDto))]
[JsonSerializable(typeof(FlowDto))]
internal sealed partial class AgentJson : JsonSerializerContext;
