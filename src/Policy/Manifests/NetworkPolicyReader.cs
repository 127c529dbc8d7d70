using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Reads networking.k8s.io/v1 NetworkPolicy. A policy the API server would reject isolates closed.</summary>
internal static class NetworkPolicyReader
{
    private static readonly string[] Fields = ["apiVersion", "kind", "metadata", "spec", "status"];
    private static readonly string[] SpecFields = ["podSelector", "policyTypes", "ingress", "egress"];
    private static readonly string[] IngressFields = ["from", "ports"];
    private static readonly string[] EgressFields = ["to", "ports"];
    private static readonly string[] PeerFields = ["podSelector", "namespaceSelector", "ipBlock"];
    private static readonly string[] IpBlockFields = ["cidr", "except"];
    private static readonly string[] PortFieldNames = ["protocol", "port", "endPort"];

    /// <summary>The policy; null when it cannot even be told which one it is.</summary>
    public static NetworkPolicy? Read(ObjectScope scope)
    {
        if (ObjectMetadata.Read(scope, namespaced: true, Syntax.DnsSubdomain) is not { } metadata)
        {
            return null;
        }

        scope.IsMapping(scope.Root, Fields);
        var spec = scope.Root["spec"];
        if (spec is null)
        {
            scope.Report(FindingSeverity.Warning, scope.Root, "has no spec: it denies all ingress of every pod of its namespace");
        }
        else if (!scope.IsMapping(spec, SpecFields))
        {
            spec = null;
        }

        var policy = new NetworkPolicy
        {
            Name = metadata.Name,
            Namespace = metadata.Namespace,
            Uid = metadata.Uid,
            Position = scope.PositionOf(scope.Root),
            PodSelector = spec?["podSelector"] is { } selector ? SelectorReader.Read(scope, selector) : LabelSelector.Everything,
            Types = ReadTypes(scope, spec?["policyTypes"]),
            Ingress = ReadRules(scope, spec?["ingress"], IngressFields),
            Egress = ReadRules(scope, spec?["egress"], EgressFields),
            Audit = metadata.ReadAudit(scope),
        };
        WarnOfUnusedRules(scope, spec, policy);
        return scope.DefectSince(0) is { } defect ? Close(policy, scope, defect) : policy;
    }

    /// <summary>
    /// The closed form: no rules, in every direction that is named. A direction that may be meant by a field that cannot
    /// be read counts as named.
    /// </summary>
    private static NetworkPolicy Close(NetworkPolicy policy, ObjectScope scope, string defect)
    {
        var types = policy.Types;
        if (scope.Root["spec"] is not { Kind: NodeKind.Mapping } spec)
        {
            var written = scope.Root.Members.Any(member => Spelling.Nearest(member.Key, Fields) is "spec");
            types = written ? PolicyTypes.Ingress | PolicyTypes.Egress : PolicyTypes.Ingress;
        }
        else if (spec.Duplicates.Any(member => member.Key is "policyTypes"))
        {
            types = PolicyTypes.Ingress | PolicyTypes.Egress;
        }
        else if (types == PolicyTypes.None)
        {
            types = spec.Members.Any(NamesEgress) ? PolicyTypes.Ingress | PolicyTypes.Egress : PolicyTypes.Ingress;
        }

        return policy with { Types = types, Ingress = [], Egress = [], Defect = defect };
    }

    private static bool NamesEgress(ManifestMember member) =>
        member.Key is "egress"
        || (Array.IndexOf(SpecFields, member.Key) < 0 && Spelling.Nearest(member.Key, SpecFields) is ("egress" or "policyTypes"));

    /// <summary>The types; both when a part of them cannot be read.</summary>
    private static PolicyTypes ReadTypes(ObjectScope scope, ManifestNode? node)
    {
        var errors = scope.Errors;
        var types = PolicyTypes.None;
        var items = scope.Items(node);
        foreach (var item in items)
        {
            types |= item.Kind == NodeKind.Null
                ? NoType(scope, item)
                : scope.Choice(item, PolicyTypes.None, ("Ingress", PolicyTypes.Ingress), ("Egress", PolicyTypes.Egress));
        }

        if (items.Count > 2)
        {
            scope.Error(node!, "may not have more than two entries");
        }

        return scope.Errors == errors ? types : PolicyTypes.Ingress | PolicyTypes.Egress;
    }

    private static PolicyTypes NoType(ObjectScope scope, ManifestNode item)
    {
        scope.Error(item, "must be Ingress or Egress, not null");
        return PolicyTypes.None;
    }

    private static EquatableArray<NetworkPolicyRule> ReadRules(ObjectScope scope, ManifestNode? node, string[] fields) =>
        scope.Items(node).Select(item => ReadRule(scope, item, fields)).ToEquatableArray();

    private static NetworkPolicyRule ReadRule(ObjectScope scope, ManifestNode node, string[] fields)
    {
        if (node.Kind == NodeKind.Null)
        {
            scope.Report(FindingSeverity.Warning, node, "an empty rule allows every peer and port; write {} if that is meant, or remove it");
        }
        else if (scope.IsMapping(node, fields))
        {
            return new NetworkPolicyRule(
                scope.Items(node[fields[0]]).Select(peer => ReadPeer(scope, peer)).ToEquatableArray(),
                scope.Items(node["ports"]).Select(port => ReadPort(scope, port)).ToEquatableArray(),
                scope.PositionOf(node));
        }

        return new NetworkPolicyRule([], [], scope.PositionOf(node));
    }

    private static NetworkPolicyPeer ReadPeer(ObjectScope scope, ManifestNode node)
    {
        if (node.Kind != NodeKind.Null && !scope.IsMapping(node, PeerFields))
        {
            return new NetworkPolicyPeer(null, null, null);
        }

        var (pods, namespaces, block) = (node["podSelector"], node["namespaceSelector"], node["ipBlock"]);
        if (pods is null && namespaces is null && block is null)
        {
            scope.Error(node, "must have a podSelector, a namespaceSelector or an ipBlock; {} as a selector selects all");
        }
        else if (block is not null && (pods is not null || namespaces is not null))
        {
            scope.Error(block, "may not stand beside a selector; make it a peer of its own");
        }

        return new NetworkPolicyPeer(
            pods is null ? null : SelectorReader.Read(scope, pods),
            namespaces is null ? null : SelectorReader.Read(scope, namespaces),
            block is null ? null : ReadIpBlock(scope, block));
    }

    private static IpBlock? ReadIpBlock(ObjectScope scope, ManifestNode node)
    {
        if (!scope.IsMapping(node, IpBlockFields))
        {
            return null;
        }

        if (node["cidr"] is not { } cidrNode)
        {
            scope.Missing(node, "cidr", "required");
            return null;
        }

        var cidr = PortFields.Cidr(scope, cidrNode);
        var except = new List<IpPrefix>();
        foreach (var item in scope.Items(node["except"]))
        {
            if (item.Kind == NodeKind.Null)
            {
                scope.Error(item, "must be an address block, not null");
            }
            else if (PortFields.Cidr(scope, item) is { } hole)
            {
                except.Add(hole);
                if (cidr is { } block && (!block.Contains(hole) || hole.Length == block.Length))
                {
                    scope.Error(item, $"{hole} must lie within the cidr {block} and be smaller");
                }
            }
        }

        return cidr is null ? null : new IpBlock(cidr.Value, except.ToEquatableArray());
    }

    private static NetworkPolicyPort ReadPort(ObjectScope scope, ManifestNode node)
    {
        if (node.Kind == NodeKind.Null)
        {
            scope.Report(FindingSeverity.Warning, node, "an empty port means every TCP port; write protocol: TCP if that is meant, or remove it");
        }
        else if (!scope.IsMapping(node, PortFieldNames))
        {
            return new NetworkPolicyPort(IpProtocol.Tcp, null, null);
        }

        var port = PortFields.NumberOrName(scope, node["port"]);
        var end = scope.Port(node["endPort"]);
        if (node["endPort"] is { } endNode && node["port"] is not { Kind: NodeKind.Integer })
        {
            scope.Error(endNode, node["port"] is null ? "may only be given with port" : "may only be given with a numeric port");
        }
        else if (end < port?.Number)
        {
            scope.Error(node["endPort"]!, $"{end} is below port {port}");
        }

        return new NetworkPolicyPort(PortFields.Protocol(scope, node["protocol"]) ?? IpProtocol.Tcp, port, end);
    }

    private static void WarnOfUnusedRules(ObjectScope scope, ManifestNode? spec, NetworkPolicy policy)
    {
        if (policy.Types == PolicyTypes.Ingress && !policy.Egress.IsEmpty)
        {
            scope.Report(FindingSeverity.Warning, spec!["egress"]!, "these rules do nothing: policyTypes does not name Egress");
        }

        if (policy.Types == PolicyTypes.Egress && !policy.Ingress.IsEmpty)
        {
            scope.Report(FindingSeverity.Warning, spec!["ingress"]!, "these rules do nothing: policyTypes does not name Ingress");
        }
    }
}
