using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Fields about ports and addresses that several kinds share.</summary>
internal static class PortFields
{
    /// <summary>A protocol; TCP when absent, null when it cannot be read.</summary>
    public static IpProtocol? Protocol(ObjectScope scope, ManifestNode? node) => node is null
        ? IpProtocol.Tcp
        : scope.Choice<IpProtocol?>(node, null, ("TCP", IpProtocol.Tcp), ("UDP", IpProtocol.Udp), ("SCTP", IpProtocol.Sctp));

    /// <summary>A port by number or, as a string, by name; null when absent or unreadable.</summary>
    public static PortReference? NumberOrName(ObjectScope scope, ManifestNode? node)
    {
        if (node is not { Kind: NodeKind.String })
        {
            return scope.Port(node) is { } number ? number : (PortReference?)null;
        }

        if (Syntax.PortName(node.Text) is { } fault)
        {
            scope.Error(node, fault);
            return null;
        }

        return node.Text;
    }

    /// <summary>An address block; null, and reported, when it cannot be read.</summary>
    public static IpPrefix? Cidr(ObjectScope scope, ManifestNode node)
    {
        if (scope.String(node) is not { } text)
        {
            return null;
        }

        if (!IpPrefix.TryParse(text, out var prefix, out var hasHostBits))
        {
            var remedy = IpAddress.TryParse(text, out var address) ? $"; did you mean {IpPrefix.Host(address)}?" : ", like 10.0.0.0/8 or fd00::/8";
            scope.Error(node, $"{Text.Quote(text)} is no address block{remedy}");
            return null;
        }

        if (hasHostBits)
        {
            scope.Report(FindingSeverity.Warning, node, $"{Text.Shorten(text)} has host bits and stands for {prefix}; write that");
        }

        return prefix;
    }

    /// <summary>An address; null, and reported, when it cannot be read.</summary>
    public static IpAddress? Address(ObjectScope scope, ManifestNode? node)
    {
        if (scope.String(node) is not { } text)
        {
            return null;
        }

        if (IpAddress.TryParse(text, out var address))
        {
            return address;
        }

        scope.Error(node!, $"{Text.Quote(text)} is no IP address");
        return null;
    }
}
