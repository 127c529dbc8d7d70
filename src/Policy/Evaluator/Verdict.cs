using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Policy.Evaluator;

/// <summary>What a packet is to, as rules on ports see it.</summary>
/// <param name="Protocol">The transport protocol; null for one without ports, ICMP for example.</param>
/// <param name="Port">The destination port; 0 without one.</param>
public readonly record struct Probe(IpProtocol? Protocol, ushort Port)
{
    /// <summary><c>80/TCP</c>.</summary>
    public override string ToString() => Protocol is { } protocol ? $"{Port}/{protocol.ToString().ToUpperInvariant()}" : "protocols without ports";
}

/// <summary>How one direction of one workload is decided.</summary>
/// <param name="Allowed">Whether it passes.</param>
/// <param name="DecidedBy">The rule or isolation that decided; null when none did.</param>
/// <param name="Tier">The tier that decided; null when none did.</param>
/// <param name="Reason">One line: why, and for a denial what would have to change.</param>
/// <param name="AuditDeniedBy">What would deny it if the policies in audit mode were enforced; null: nothing, or it is denied anyway.</param>
public sealed record Verdict(bool Allowed, RuleReference? DecidedBy, RuleTierKind? Tier, string Reason, RuleReference? AuditDeniedBy = null);
