using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>What policies were read from, for findings that come up only when all resources are known.</summary>
internal sealed class PolicyTrees
{
    private readonly Dictionary<Resource, ManifestNode> _roots = new(ReferenceEqualityComparer.Instance);

    public void Add(Resource resource, ManifestNode root)
    {
        if (resource is NetworkPolicy or ClusterNetworkPolicy)
        {
            _roots.Add(resource, root);
        }
    }

    /// <summary>Where a field stands, or what it would stand in; nothing for what is no policy.</summary>
    /// <param name="resource">The policy.</param>
    /// <param name="field">The path, as findings write it: <c>spec.ingress[0].from[1]</c>.</param>
    public SourcePosition Find(Resource resource, string field)
    {
        if (!_roots.TryGetValue(resource, out var node))
        {
            return default;
        }

        var position = resource.Position with { Line = node.Line, Column = node.Column };
        foreach (var step in field.Replace("[", ".[", StringComparison.Ordinal).Split('.'))
        {
            if (step[0] == '[')
            {
                node = node.Items[int.Parse(step.AsSpan(1, step.Length - 2), System.Globalization.CultureInfo.InvariantCulture)];
                position = position with { Line = node.Line, Column = node.Column };
            }
            else if (node.Members.FirstOrDefault(member => member.Key == step) is { Value: { } value } found)
            {
                node = value;
                position = position with { Line = found.Line, Column = found.Column };
            }
            else
            {
                break;
            }
        }

        return position;
    }
}
