using System.Globalization;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>What is read of an object's metadata.</summary>
/// <param name="Name">The name as written, whatever its syntax.</param>
/// <param name="Namespace">The namespace, <c>default</c> when absent; empty for cluster-scoped kinds.</param>
/// <param name="Labels">
/// The labels; null when they are no object. A label whose value is no string keeps its text, so that an object with a bad
/// label still meets the selectors its author meant.
/// </param>
/// <param name="Annotations">The annotations; null when absent or no object.</param>
/// <param name="Uid">The API server's identity.</param>
/// <param name="CreatedAt">When it was created.</param>
/// <param name="Terminating">Whether it is being deleted.</param>
internal sealed record ObjectMetadata(
    string Name, string Namespace, LabelSet? Labels, ManifestNode? Annotations, string? Uid, DateTimeOffset? CreatedAt, bool Terminating)
{
    private const int MaxIdentity = 512;

    private static readonly string[] Fields =
    [
        "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
        "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers", "managedFields", "clusterName",
    ];

    /// <summary>Reads the metadata and names the scope; null, and reported, when the object has no readable name or namespace.</summary>
    public static ObjectMetadata? Read(ObjectScope scope, bool namespaced, Func<string, string?> nameSyntax)
    {
        var node = scope.Root["metadata"];
        if (node is null)
        {
            scope.Missing(scope.Root, "metadata", "required; the object is skipped");
            return null;
        }

        if (!scope.IsMapping(node) || Identity(scope, node, "name") is not { } name)
        {
            return null;
        }

        var space = node["namespace"] is null ? string.Empty : Identity(scope, node, "namespace");
        if (space is null)
        {
            return null;
        }

        var identity = new NamespacedName(namespaced ? (space.Length == 0 ? "default" : space) : string.Empty, name);
        scope.Name = $"{scope.Kind} {identity}";
        CheckIdentity(scope, node, namespaced, nameSyntax);
        return new ObjectMetadata(
            name,
            identity.Namespace,
            ReadLabels(scope, node["labels"]),
            ReadAnnotations(scope, node["annotations"]),
            scope.String(node["uid"]),
            ReadTime(scope, node["creationTimestamp"]),
            ReadTime(scope, node["deletionTimestamp"]) is not null);
    }

    /// <summary>The value of an annotation; null when it is absent or no string, which is reported elsewhere.</summary>
    public ManifestNode? Annotation(string key) => Annotations?[key] is { Kind: NodeKind.String } value ? value : null;

    /// <summary>Whether the mode annotation asks for audit; any other value is reported and changes nothing.</summary>
    public bool ReadAudit(ObjectScope scope)
    {
        if (Annotations?.Members.FirstOrDefault(member => member.Key == NetworkPolicy.ModeAnnotation).Value is not { } node)
        {
            return false;
        }

        if (node is { Kind: NodeKind.String, Text: "audit" })
        {
            return true;
        }

        scope.Report(
            FindingSeverity.Error, node, $"{Text.Quote(node.Text)} is no mode; the policy is enforced. Write audit, or remove the annotation");
        return false;
    }

    /// <summary>Reads an object of strings, as labels and Service selectors are; null when the node is no object.</summary>
    public static LabelSet? ReadLabels(ObjectScope scope, ManifestNode? node)
    {
        if (node is null)
        {
            return LabelSet.Empty;
        }

        if (!scope.IsMapping(node))
        {
            return null;
        }

        foreach (var member in node.Members)
        {
            CheckLabel(scope, node, member);
        }

        return LabelSet.From(node.Members.Select(member => KeyValuePair.Create(member.Key, TextOf(member.Value))));
    }

    /// <summary>Reports what is wrong with one label; returns whether it can be used.</summary>
    public static bool CheckLabel(ObjectScope scope, ManifestNode mapping, ManifestMember member)
    {
        var errors = scope.Errors;
        if (Syntax.QualifiedName(member.Key) is { } keyFault)
        {
            scope.Error(mapping, member, "label key: " + keyFault);
        }

        if (member.Value.Kind != NodeKind.Null && scope.String(member.Value) is { } value && Syntax.LabelValue(value) is { } valueFault)
        {
            scope.Error(member.Value, $"label value {Text.Quote(value)} {valueFault}");
        }

        return scope.Errors == errors;
    }

    private static string TextOf(ManifestNode value) => value.Kind == NodeKind.Null ? string.Empty : value.Written;

    private static string? Identity(ObjectScope scope, ManifestNode metadata, string key)
    {
        if (metadata[key] is not { } node)
        {
            var hint = metadata.Has("generateName") ? "; generateName is for API servers" : string.Empty;
            scope.Missing(metadata, key, $"required{hint}; the object is skipped");
            return null;
        }

        // A number or a Boolean is reported, but says well enough which object is meant.
        if (node.IsScalar && Text.IsClean(node.Written, MaxIdentity) && (node.Written.Length > 0 || key == "namespace"))
        {
            return node.Written;
        }

        scope.Error(node, $"must be a string of printable characters, not {(node.IsScalar ? Text.Quote(node.Text) : node.KindName)}; the object is skipped");
        return null;
    }

    private static void CheckIdentity(ObjectScope scope, ManifestNode metadata, bool namespaced, Func<string, string?> nameSyntax)
    {
        scope.ReportDuplicates();
        if (!scope.IsFromServer)
        {
            scope.IsMapping(metadata, Fields);
        }

        if (scope.String(metadata["name"]) is { } name && nameSyntax(name) is { } nameFault)
        {
            scope.Error(metadata["name"]!, $"{Text.Quote(name)} is no valid name: it {nameFault}");
        }

        if (scope.String(metadata["namespace"]) is not { Length: > 0 } space)
        {
            return;
        }

        if (!namespaced)
        {
            scope.Error(metadata["namespace"]!, $"{scope.Kind} is cluster-scoped; remove the namespace");
        }
        else if (Syntax.DnsLabel(space) is { } spaceFault)
        {
            scope.Error(metadata["namespace"]!, $"{Text.Quote(space)} is no valid namespace: it {spaceFault}");
        }
    }

    private static ManifestNode? ReadAnnotations(ObjectScope scope, ManifestNode? node)
    {
        if (node is null || !scope.IsMapping(node))
        {
            return null;
        }

        foreach (var member in node.Members)
        {
            if (Syntax.QualifiedName(member.Key.ToLowerInvariant()) is { } fault)
            {
                scope.Error(node, member, "annotation key: " + fault);
            }

            // The mode has its own message and does not reject the policy.
            if (member.Value.Kind != NodeKind.Null && member.Key != NetworkPolicy.ModeAnnotation)
            {
                scope.String(member.Value);
            }
        }

        return node;
    }

    private static DateTimeOffset? ReadTime(ObjectScope scope, ManifestNode? node)
    {
        if (scope.String(node) is not { } text)
        {
            return null;
        }

        if (text.Length is > 0 and <= 40 && DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
        {
            return time;
        }

        scope.Error(node!, $"{Text.Quote(text)} is no time; write it like 2026-01-31T12:00:00Z");
        return null;
    }
}
