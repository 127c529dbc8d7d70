using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Turns the documents of one file into resources: finds out what each is and has it read.</summary>
/// <param name="file">The file's path as it shall stand in positions; null: objects of an API server, which stand nowhere.</param>
/// <param name="trees">Receives what the policies were read from; null: nobody asks.</param>
internal sealed class DocumentReader(string? file, PolicyTrees? trees)
{
    private static readonly KnownKind[] Known =
    [
        new("v1", "Namespace", InfrastructureReader.ReadNamespace),
        new("v1", "Pod", WorkloadReader.ReadPod),
        new("v1", "Service", InfrastructureReader.ReadService),
        new("discovery.k8s.io/v1", "EndpointSlice", InfrastructureReader.ReadEndpointSlice),
        new("v1", "Node", InfrastructureReader.ReadNode),
        new("networking.k8s.io/v1", "NetworkPolicy", NetworkPolicyReader.Read),
        new("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", ClusterNetworkPolicyReader.Read),
        new("portcullis.dev/v1alpha1", "Workload", WorkloadReader.ReadWorkload),
    ];

    private readonly Dictionary<ResourceKey, Resource> _byKey = [];

    public List<Resource> Resources { get; } = [];

    public FindingLog Findings { get; } = new(file);

    public bool Complete { get; private set; } = true;

    public bool HasDuplicates { get; private set; }

    /// <summary>Reports that a part of the file is no YAML or JSON.</summary>
    public void ReportUnreadable(int line, int column, string message)
    {
        Complete = false;
        Findings.Add(FindingSeverity.Error, line, column, string.Empty, message);
    }

    /// <summary>Reads one document: an object, a list of objects, or nothing.</summary>
    public void Read(ManifestNode document)
    {
        if (document.Kind != NodeKind.Null)
        {
            Read(document, null);
        }
    }

    /// <summary>Reads an object of a known kind, which it need not state itself.</summary>
    public void Read(ManifestNode document, string apiVersion, string kind) =>
        Read(document, Array.Find(Known, known => known.ApiVersion == apiVersion && known.Name == kind));

    /// <summary>Reads an object; one in a typed list may leave out what the list says.</summary>
    private void Read(ManifestNode node, KnownKind? implied)
    {
        if (node.Kind != NodeKind.Mapping)
        {
            ReportUnreadable(node.Line, node.Column, $"an object with apiVersion and kind is expected, not {node.KindName}");
            return;
        }

        var kind = node["kind"] is { Kind: NodeKind.String } kindNode ? kindNode.Text : implied?.Name;
        var apiVersion = node["apiVersion"] is { Kind: NodeKind.String } versionNode ? versionNode.Text
            : node["apiVersion"] is null ? implied?.ApiVersion : null;
        if (string.IsNullOrEmpty(kind))
        {
            ReportUnreadable(node.Line, node.Column, "the object has no kind; it is skipped");
        }
        else if (kind.EndsWith("List", StringComparison.Ordinal) && node.Has("items"))
        {
            ReadList(node, apiVersion, kind);
        }
        else if (Array.Find(Known, known => known.Name == kind && MayMean(apiVersion, known)) is { } known)
        {
            ReadObject(node, apiVersion, known);
        }
        else
        {
            NoteOther(node, apiVersion, kind);
        }
    }

    private void ReadList(ManifestNode list, string? apiVersion, string kind)
    {
        var items = list["items"];
        if (items is not null && items.Kind != NodeKind.Sequence)
        {
            ReportUnreadable(items.Line, items.Column, $"{Text.Shorten(kind)}: items: must be a list, not {items.KindName}");
            return;
        }

        var implied = Array.Find(Known, known => known.Name + "List" == kind && known.ApiVersion == apiVersion);
        if (kind != "List" && implied is null && apiVersion is not null)
        {
            NoteOther(list, apiVersion, kind);
            return;
        }

        foreach (var item in items?.Items ?? [])
        {
            Read(item, implied);
        }
    }

    private void ReadObject(ManifestNode node, string? apiVersion, KnownKind known)
    {
        var scope = new ObjectScope(file, node, known.Name, Findings);
        if (apiVersion != known.ApiVersion)
        {
            if (node["apiVersion"] is { } versionNode)
            {
                scope.Error(versionNode, $"{known.Name} of {Text.Quote(versionNode.Text)} is not understood; did you mean {known.ApiVersion}?");
            }
            else
            {
                scope.Missing(node, "apiVersion", $"required: {known.ApiVersion}");
            }
        }

        var resource = known.Read(scope);
        if (resource is null)
        {
            Complete = false;
        }
        else if (_byKey.TryAdd(resource.Key, resource))
        {
            Resources.Add(resource);
            trees?.Add(resource, node);
        }
        else
        {
            HasDuplicates = true;
            scope.Report(FindingSeverity.Error, node, $"given twice; the one at {_byKey[resource.Key].Position} counts, remove the other");
        }
    }

    /// <summary>
    /// Whether an object of a known kind's name is meant to be one: a wrong version must not make it vanish, but other API
    /// groups have kinds of these names too.
    /// </summary>
    private static bool MayMean(string? apiVersion, KnownKind known) =>
        string.IsNullOrEmpty(apiVersion)
        || !apiVersion.Contains('/', StringComparison.Ordinal)
        || GroupOf(apiVersion) == GroupOf(known.ApiVersion)
        || (known.Name == "NetworkPolicy" && GroupOf(apiVersion) == "extensions")
        || Spelling.Nearest(apiVersion, [known.ApiVersion]) is not null;

    private static string GroupOf(string apiVersion) => apiVersion[..Math.Max(0, apiVersion.IndexOf('/', StringComparison.Ordinal))];

    private void NoteOther(ManifestNode node, string? apiVersion, string kind)
    {
        var nearest = Spelling.Nearest(kind, Known.Where(known => GroupOf(known.ApiVersion) == GroupOf(apiVersion ?? string.Empty)).Select(known => known.Name));
        var name = node["metadata"] is { Kind: NodeKind.Mapping } metadata && metadata["name"] is { IsScalar: true } written
            ? " " + Text.Shorten(written.Text)
            : string.Empty;
        Findings.Add(
            nearest is null ? FindingSeverity.Note : FindingSeverity.Warning,
            node.Line,
            node.Column,
            Text.Shorten(kind) + name,
            $"{Text.Shorten(apiVersion ?? "an object")} of this kind is not used here and ignored{(nearest is null ? string.Empty : $"; did you mean {nearest}?")}");
    }

    private sealed record KnownKind(string ApiVersion, string Name, Func<ObjectScope, Resource?> Read);
}
