using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <content>What is wrong with resources and can only be seen here.</content>
public sealed partial class PolicyCompiler
{
    private readonly Dictionary<ResourceKey, List<Finding>> _policyFindings = [];
    private readonly HashSet<PodState> _selfEndpoints = [];

    /// <summary>
    /// Everything that is not enforced as its author will expect, as of the last <see cref="Flush"/>; what a source finds by itself is
    /// not repeated. In no order.
    /// </summary>
    public IReadOnlyList<Finding> Findings => [.. _policyFindings.Values.SelectMany(findings => findings), .. SelfFindings(), .. AddressFindings()];

    private void FindPolicyProblems(ResourceKey key, ClusterNetworkPolicy? policy)
    {
        _policyFindings.Remove(key);
        if (policy is null)
        {
            return;
        }

        var findings = new List<Finding>();
        AddFindings(policy, Direction.Ingress, policy.Ingress, findings);
        AddFindings(policy, Direction.Egress, policy.Egress, findings);
        if (findings.Count > 0)
        {
            _policyFindings.Add(key, findings);
        }
    }

    private static void AddFindings(
        ClusterNetworkPolicy policy, Direction direction, EquatableArray<ClusterPolicyRule> rules, List<Finding> findings)
    {
        for (var i = 0; i < rules.Count; i++)
        {
            var rule = rules[i];
            if (rule.Defect is null && PolicyTranslator.FindDefect(direction, rule) is { } defect)
            {
                var effect = rule.Action == RuleAction.Accept ? "matches nothing" : "denies everything";
                findings.Add(new Finding(
                    FindingSeverity.Error,
                    rule.Position == default ? policy.Position : rule.Position,
                    $"{policy.Key}",
                    $"{direction.ToString().ToLowerInvariant()} rule {i} {effect}: {defect}"));
            }
        }
    }

    private IEnumerable<Finding> SelfFindings() =>
        from pod in _selfEndpoints
        group pod by pod.Workload.Interface ?? string.Empty into sharing
        where sharing.Count() > 1
        let names = string.Join(" and ", sharing.Select(pod => pod.Workload.Key.NamespacedName).Order())
        from pod in sharing
        select new Finding(
            FindingSeverity.Error,
            pod.Workload.Position,
            $"{pod.Workload.Key}",
            $"{names} are both the machine itself at {(sharing.Key.Length == 0 ? "the same interface" : sharing.Key)}; keep one, or give each its own interface");

    private IEnumerable<Finding> AddressFindings() =>
        from contest in _inventory.Addresses.Contested
        let owner = _inventory.Addresses.OwnerOf(contest.Key)!
        where contest.Value.Exists(pod => pod != owner && pod.Workload.CreatedAt == owner.Workload.CreatedAt)
        select new Finding(
            FindingSeverity.Warning,
            owner.Workload.Position,
            $"{owner.Workload.Key}",
            $"{contest.Key} is also the address of {string.Join(", ", contest.Value.Where(pod => pod != owner).Select(pod => pod.Workload.Key.NamespacedName).Order())}; give each its own");
}
