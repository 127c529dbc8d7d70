using Portcullis.Net;

namespace Portcullis.TestSupport.Fixtures;

/// <summary>A flow and whether it passes: egress of the sender and ingress of the receiver, each where a workload is.</summary>
/// <param name="From">The sending actor.</param>
/// <param name="To">The receiving actor.</param>
/// <param name="Source">The sender's address.</param>
/// <param name="Destination">The receiver's address.</param>
/// <param name="Protocol">The protocol.</param>
/// <param name="Port">The destination port.</param>
/// <param name="Allowed">Whether it passes.</param>
public sealed record FixtureFlow(
    string From, string To, IpAddress Source, IpAddress Destination, IpProtocol Protocol, ushort Port, bool Allowed)
{
    /// <summary><c>north/red -> east/blue 80/Tcp IPv4</c>.</summary>
    public override string ToString() => $"{From} -> {To} {Port}/{Protocol} {Source.Family}";
}
