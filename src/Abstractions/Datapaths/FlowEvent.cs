using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapaths;

/// <summary>What happened to a packet.</summary>
public enum FlowVerdict
{
    /// <summary>It passed.</summary>
    Allow,

    /// <summary>It was dropped.</summary>
    Deny,

    /// <summary>It passed, and would be dropped if the policies in audit mode were enforced.</summary>
    AuditDeny,
}

/// <summary>A packet that opened a flow or was not simply allowed.</summary>
/// <param name="Time">When the kernel judged it.</param>
/// <param name="Workload">The endpoint that was judged.</param>
/// <param name="Direction">The direction as the workload sees it.</param>
/// <param name="Verdict">What happened.</param>
/// <param name="Reason">Why: the same words as in <see cref="PacketCounter.Reason"/>.</param>
/// <param name="Source">The packet's source address.</param>
/// <param name="SourcePort">Its source port; 0 when the protocol has none.</param>
/// <param name="Destination">The packet's destination address.</param>
/// <param name="DestinationPort">Its destination port; 0 when the protocol has none.</param>
/// <param name="Protocol">The IP protocol number of the transport header.</param>
/// <param name="Rule">What decided; null when no rule did.</param>
public sealed record FlowEvent(
    DateTimeOffset Time,
    NamespacedName Workload,
    Direction Direction,
    FlowVerdict Verdict,
    string Reason,
    IpAddress Source,
    ushort SourcePort,
    IpAddress Destination,
    ushort DestinationPort,
    byte Protocol,
    RuleReference? Rule);
