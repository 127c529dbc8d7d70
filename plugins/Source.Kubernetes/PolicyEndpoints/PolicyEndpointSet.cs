using System.Collections.Immutable;
using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Informers;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes.PolicyEndpoints;

/// <summary>PolicyEndpoints that become one policy for all that refer to it: a controller cuts what is too long for one object.</summary>
/// <param name="join">Makes a policy of its parts, which are in order of their creation.</param>
/// <param name="keyOf">The policy's key.</param>
/// <param name="board">Where policies go.</param>
internal sealed class PolicyEndpointSet(
    Func<PolicyReference, IReadOnlyList<PolicyEndpoint>, Translated> join, Func<PolicyReference, ResourceKey> keyOf, ChangeBoard board)
    : IObjectSet<PolicyEndpoint>
{
    private Dictionary<NamespacedName, PolicyEndpoint> _parts = [];
    private Dictionary<NamespacedName, PolicyEndpoint> _staged = [];
    private readonly Dictionary<PolicyReference, Resource> _policies = [];

    public void Restart() => _staged = [];

    public void Stage(PolicyEndpoint item) => _staged[item.Metadata!.FullName] = item;

    public void Commit(long observedAt)
    {
        var before = _parts.Values.Select(Reference).ToHashSet();
        _parts = _staged;
        _staged = [];
        Rebuild(before.Union(_parts.Values.Select(Reference)), observedAt);
    }

    public void Set(PolicyEndpoint item, long observedAt)
    {
        var name = item.Metadata!.FullName;
        var before = _parts.GetValueOrDefault(name);
        _parts[name] = item;
        Rebuild(before is null ? [Reference(item)] : [Reference(before), Reference(item)], observedAt);
    }

    public void Remove(PolicyEndpoint item, long observedAt)
    {
        if (_parts.Remove(item.Metadata!.FullName, out var known))
        {
            Rebuild([Reference(known)], observedAt);
        }
    }

    /// <summary>The policy a part belongs to; one that names none is a policy of its own.</summary>
    private static PolicyReference Reference(PolicyEndpoint part) => part.Spec?.PolicyRef is { Name.Length: > 0 } reference
        ? reference
        : new PolicyReference { Namespace = part.Metadata!.Namespace, Name = part.Metadata.Name };

    private void Rebuild(IEnumerable<PolicyReference> references, long observedAt)
    {
        var wanted = references.ToHashSet();
        var parts = _parts.Values.Where(part => wanted.Contains(Reference(part))).ToLookup(Reference);
        var changes = new List<ResourceChange>();
        foreach (var reference in wanted)
        {
            ImmutableArray<PolicyEndpoint> own = [.. parts[reference].OrderBy(part => part.Metadata!.CreationTimestamp).ThenBy(part => part.Metadata!.FullName)];
            var (policy, problems) = own.IsEmpty ? new Translated(null, []) : join(reference, own);
            board.SetProblems(keyOf(reference), problems);
            if (policy is null)
            {
                if (_policies.Remove(reference))
                {
                    changes.Add(ResourceChange.Delete(keyOf(reference)));
                }
            }
            else if (!policy.Equals(_policies.GetValueOrDefault(reference)))
            {
                _policies[reference] = policy;
                changes.Add(ResourceChange.Upsert(policy));
            }
        }

        board.Add(changes, observedAt);
    }
}
