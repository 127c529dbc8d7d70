using Portcullis.Policy.Compiler;
using Portcullis.Policy.Evaluator;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;

namespace Portcullis.Policy.Tests.Support;

/// <summary>Compiles and judges, as a host with a datapath would.</summary>
internal sealed class Compiled
{
    private long _revision;

    public Compiled(PolicyOptions options) => Compiler = new PolicyCompiler(options);

    public PolicyCompiler Compiler { get; }

    public CompiledWorld World { get; } = new();

    public static Compiled From(PolicyOptions options, IEnumerable<Resource> resources)
    {
        var compiled = new Compiled(options);
        compiled.Apply([.. resources.Select(ResourceChange.Upsert)]);
        return compiled;
    }

    public ChangeSet Apply(params ReadOnlySpan<ResourceChange> changes)
    {
        Compiler.Apply(changes);
        var set = Compiler.Flush(++_revision);
        World.Apply(set);
        return set;
    }

    /// <summary>Everything a datapath knows, by content rather than by number.</summary>
    public SortedDictionary<string, string> Canonical() => Canonical(World);

    /// <summary>The same from a snapshot, which has to agree with what the change sets added up to.</summary>
    public SortedDictionary<string, string> CanonicalSnapshot()
    {
        var world = new CompiledWorld();
        world.Apply(Compiler.Snapshot(_revision));
        return Canonical(world);
    }

    private static SortedDictionary<string, string> Canonical(CompiledWorld world)
    {
        var peers = world.PeerSets.ToDictionary(set => set.Key, set => "{" + string.Join(' ', set.Value.Order()) + "}");
        var rules = world.RuleSets.ToDictionary(set => set.Key, set => set.Value.Direction + Text(set.Value.Tiers) + "/" + (set.Value.Audit is { } audit ? Text(audit) : ""));
        var result = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var endpoint in world.Endpoints.Values)
        {
            var ingress = endpoint.Ingress is { } i ? rules[i] : "open";
            var egress = endpoint.Egress is { } e ? rules[e] : "open";
            result.Add($"endpoint {endpoint.Workload}", $"{endpoint.InterfaceName} {endpoint.Side} {string.Join(' ', endpoint.Addresses)}\n{ingress}\n{egress}");
        }

        result.Add("rule sets", string.Join('\n', rules.Values.Order(StringComparer.Ordinal)));
        result.Add("peer sets", string.Join('\n', peers.Values.Order(StringComparer.Ordinal)));
        return result;

        string Text(EquatableArray<RuleTier> tiers) => string.Join("; ", tiers.Select(tier =>
            $"{tier.Kind}[{string.Join(", ", tier.Rules.Select(rule => $"{rule.Action} {Peers(rule)} {Ports(rule)} {rule.Reference}"))}] isolation {tier.Isolation}"));

        string Peers(Rule rule) =>
            rule.Peers is { } ids ? string.Join('|', ids.Select(id => peers[id]).Order(StringComparer.Ordinal)) : "any";

        static string Ports(Rule rule) => rule.Ports is { } ports ? string.Join(' ', ports) : "any";
    }
}
