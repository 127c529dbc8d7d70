using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Reads meta/v1 LabelSelector. What cannot be read is reported and left out, so that the selector selects more, not less.</summary>
internal static class SelectorReader
{
    private static readonly string[] Fields = ["matchLabels", "matchExpressions"];
    private static readonly string[] RequirementFields = ["key", "operator", "values"];

    /// <summary>Reads a selector that is present.</summary>
    public static LabelSelector Read(ObjectScope scope, ManifestNode node)
    {
        if (!scope.IsMapping(node, Fields))
        {
            return LabelSelector.Everything;
        }

        var requirements = new List<LabelRequirement>();
        if (node["matchLabels"] is { } labels && scope.IsMapping(labels))
        {
            foreach (var member in labels.Members)
            {
                if (ObjectMetadata.CheckLabel(scope, labels, member))
                {
                    requirements.Add(new LabelRequirement(member.Key, LabelOperator.In, [member.Value.Text]));
                }
            }
        }

        foreach (var item in scope.Items(node["matchExpressions"]))
        {
            if (ReadRequirement(scope, item) is { } requirement)
            {
                requirements.Add(requirement);
            }
        }

        return new LabelSelector(requirements.ToEquatableArray());
    }

    private static LabelRequirement? ReadRequirement(ObjectScope scope, ManifestNode node)
    {
        var errors = scope.Errors;
        if (!scope.IsMapping(node, RequirementFields))
        {
            return null;
        }

        var key = ReadKey(scope, node);
        var label = ReadOperator(scope, node);
        var values = ReadValues(scope, node);
        if (label is LabelOperator.In or LabelOperator.NotIn && node["values"] is null or { Kind: NodeKind.Sequence, Items.Count: 0 })
        {
            scope.Missing(node, "values", $"required with operator {label}");
        }
        else if (label is LabelOperator.Exists or LabelOperator.DoesNotExist && values.Length > 0)
        {
            scope.Error(node["values"]!, $"must be absent with operator {label}");
        }

        return scope.Errors == errors ? new LabelRequirement(key!, label!.Value, new(values)) : null;
    }

    private static string? ReadKey(ObjectScope scope, ManifestNode node)
    {
        if (node["key"] is not { } keyNode)
        {
            scope.Missing(node, "key", "required");
            return null;
        }

        var key = scope.String(keyNode);
        if (key is not null && Syntax.QualifiedName(key) is { } fault)
        {
            scope.Error(keyNode, "label key: " + fault);
        }

        return key;
    }

    private static LabelOperator? ReadOperator(ObjectScope scope, ManifestNode node)
    {
        if (node["operator"] is not { } operatorNode)
        {
            scope.Missing(node, "operator", "required: In, NotIn, Exists or DoesNotExist");
            return null;
        }

        return scope.Choice<LabelOperator?>(
            operatorNode,
            null,
            ("In", LabelOperator.In),
            ("NotIn", LabelOperator.NotIn),
            ("Exists", LabelOperator.Exists),
            ("DoesNotExist", LabelOperator.DoesNotExist));
    }

    private static System.Collections.Immutable.ImmutableArray<string> ReadValues(ObjectScope scope, ManifestNode node)
    {
        var values = System.Collections.Immutable.ImmutableArray.CreateBuilder<string>();
        foreach (var item in scope.Items(node["values"]))
        {
            var value = item.Kind == NodeKind.Null ? string.Empty : scope.String(item);
            if (value is not null && Syntax.LabelValue(value) is { } fault)
            {
                scope.Error(item, $"label value {Text.Quote(value)} {fault}");
            }

            values.Add(value ?? string.Empty);
        }

        return values.DrainToImmutable();
    }
}
