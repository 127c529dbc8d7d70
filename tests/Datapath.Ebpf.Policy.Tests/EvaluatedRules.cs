using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Policy.Evaluator;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Policy.Tests;

/// <summary>The rules of an endpoint as the evaluator reads them off the resources.</summary>
internal sealed class EvaluatedRules(PolicyEvaluator evaluator, Portcullis.Policy.Evaluator.CompiledWorld compiled, Endpoint endpoint) : IModelRules
{
    private readonly Workload _subject = evaluator.World.Workloads.First(workload => workload.Key.NamespacedName == endpoint.Workload);
    private readonly Dictionary<(Direction, IpAddress, Probe), Fate> _known = [];

    /// <summary>The rule as both the evaluator and compiled rules name it: a Service as such is nobody's rule.</summary>
    public static RuleReference? ByPolicy(RuleReference? rule) =>
        rule is { Origin: RuleOrigin.Portcullis, Policy.Name: "service" } ? null : rule;

    /// <inheritdoc/>
    public bool Has(Direction direction) => RuleSetOf(direction) is not null;

    /// <inheritdoc/>
    public bool CanDeny(Direction direction) => RuleSetOf(direction) is { } rules
        && rules.Tiers.Any(tier => tier.Isolation is not null || tier.Rules.Any(rule => rule.Action == RuleAction.Deny));

    /// <inheritdoc/>
    public Fate Judge(Direction direction, IpAddress peer, byte protocol, ushort port)
    {
        if (!Has(direction))
        {
            return new Fate(PcReason.Unpoliced);
        }

        IpProtocol? transport = protocol switch { 6 => IpProtocol.Tcp, 17 => IpProtocol.Udp, 132 => IpProtocol.Sctp, _ => null };
        var probe = new Probe(transport, transport is null ? (ushort)0 : port);
        if (!_known.TryGetValue((direction, peer, probe), out var fate))
        {
            _known[(direction, peer, probe)] = fate = endpoint.Addresses.Contains(peer)
                ? JudgeOwn(direction, peer, probe)
                : JudgePeer(direction, peer, probe);
        }

        return fate;
    }

    private RuleSet? RuleSetOf(Direction direction) =>
        (direction == Direction.Ingress ? endpoint.Ingress : endpoint.Egress) is { } id ? compiled.RuleSets[id] : null;

    private Fate JudgePeer(Direction direction, IpAddress peer, Probe probe)
    {
        var verdict = evaluator.Judge(direction, _subject, peer, probe);
        if (verdict.AuditDeniedBy is { } audit)
        {
            return new Fate(PcReason.Audit, audit);
        }

        var isIsolation = verdict is { Tier: RuleTierKind.NetworkPolicy, DecidedBy.Rule: null } && !IsDeniedAsService(direction, peer, probe);
        return verdict.Allowed
            ? new Fate(PcReason.Allowed, verdict.DecidedBy)
            : new Fate(isIsolation ? PcReason.Isolated : PcReason.Denied, verdict.DecidedBy);
    }

    /// <summary>Isolation is called a denial where rules name the cluster IP because of backends that meet it.</summary>
    private bool IsDeniedAsService(Direction direction, IpAddress peer, Probe probe) =>
        RuleSetOf(direction)!.Tiers.Where(tier => tier.Kind == RuleTierKind.Service).SelectMany(tier => tier.Rules).Any(rule =>
            rule.Action == RuleAction.Deny
            && (rule.Peers is not { } peers || peers.Any(id => compiled.PeerSets[id].Any(prefix => prefix.Contains(peer))))
            && (rule.Ports is not { } ports || ports.Any(range => range.Protocol == probe.Protocol && probe.Port >= range.First && probe.Port <= range.Last)));

    /// <summary>An own address at the other end is there through a Service, which the evaluator judges by the Service's address.</summary>
    private Fate JudgeOwn(Direction direction, IpAddress peer, Probe probe)
    {
        var verdict = RuleSetJudge.Judge(compiled, endpoint, direction, peer, probe);
        var stranger = RuleSetJudge.Judge(compiled, endpoint with { Addresses = [] }, direction, peer, probe);
        if (verdict.Allowed && (!stranger.Allowed || (verdict.AuditDeniedBy is null && stranger.AuditDeniedBy is not null)))
        {
            return new Fate(PcReason.OwnAddress);
        }

        return !verdict.Allowed ? new Fate(PcReason.Denied, ByPolicy(verdict.DecidedBy))
            : verdict.AuditDeniedBy is { } audit ? new Fate(PcReason.Audit, ByPolicy(audit))
            : new Fate(PcReason.Allowed, ByPolicy(verdict.DecidedBy));
    }
}
