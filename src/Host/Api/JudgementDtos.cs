using System.Text.Json.Serialization;

namespace Portcullis.Host.Api;

/// <summary>The answer of <c>matrix</c>.</summary>
internal sealed record MatrixDto(IReadOnlyList<ProbeDto> Probes);

/// <summary>One cell of a matrix.</summary>
internal sealed record ProbeDto(string From, string To, string Protocol, int Port, string Family, bool Allowed);

/// <summary>The answer of <c>explain</c>.</summary>
internal sealed record ExplainDto(bool Allowed, string From, string To, string Protocol, int Port, string Family, DirectionDto Egress, DirectionDto Ingress);

/// <summary>How one direction is decided; <c>decidedBy</c> is null where no policy did.</summary>
internal sealed record DirectionDto(bool Allowed, DecisionDto? DecidedBy, string Reason);

/// <summary>The policy and rule that decided.</summary>
internal sealed record DecisionDto(string Kind, string? Namespace, string Name, int? Rule, string? File, int? Line);

/// <summary>How these look as JSON: nulls are written, scripts look for them.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(MatrixDto))]
[JsonSerializable(typeof(ExplainDto))]
internal sealed partial class JudgementJson : JsonSerializerContext;
