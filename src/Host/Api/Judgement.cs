using System.Globalization;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Evaluator;
using Portcullis.Policy.Store;
using Portcullis.Rules;

namespace Portcullis.Host.Api;

/// <summary>Answers <c>matrix</c> and <c>explain</c> from a world, be it of manifests or of the running agent.</summary>
internal static class Judgement
{
    /// <summary>Reads <c>80/TCP</c>; without a protocol TCP is meant.</summary>
    /// <exception cref="CommandException">It is not a port.</exception>
    public static Probe ParsePort(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var number = slash < 0 ? text : text[..slash];
        var protocol = slash < 0 ? "TCP" : text[(slash + 1)..];
        return ushort.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            && port > 0
            && Enum.GetNames<IpProtocol>().Contains(protocol, StringComparer.OrdinalIgnoreCase)
            ? new Probe(Enum.Parse<IpProtocol>(protocol, ignoreCase: true), port)
            : throw new CommandException(ExitCode.Usage, [$"--port {text}: expected a number from 1 to 65535 and TCP, UDP or SCTP, for example 80/TCP"]);
    }

    /// <summary>Who reaches whom.</summary>
    public static MatrixDto BuildMatrix(World world, PolicyOptions options, IReadOnlyList<Probe> probes) =>
        new([.. Matrix.Build(new PolicyEvaluator(world, options), probes).Select(cell => new ProbeDto(
            cell.From.ToString(), cell.To.ToString(), Name(cell.Probe), cell.Probe.Port, cell.Family.ToString(), cell.Allowed))]);

    /// <summary>Whether one reaches the other, and why.</summary>
    /// <exception cref="CommandException">One of them means nothing here, or they have no family in common.</exception>
    public static ExplainDto Explain(World world, PolicyOptions options, string from, string to, Probe probe)
    {
        var explainer = new Explainer(new PolicyEvaluator(world, options), options);
        var explanation = explainer.Explain(Find(explainer, "--from", from, to), Find(explainer, "--to", to, from), probe)
            ?? throw new CommandException(ExitCode.Usage, [$"{from} and {to} have no address of the same family"]);
        return new ExplainDto(
            explanation.Allowed,
            from,
            to,
            Name(probe),
            probe.Port,
            explanation.Family.ToString(),
            Describe(explanation.Egress),
            Describe(explanation.Ingress));
    }

    private static Party Find(Explainer explainer, string option, string reference, string opposite) =>
        explainer.TryFind(reference, opposite, out var party, out var problem)
            ? party!
            : throw new CommandException(ExitCode.Usage, [$"{option} {reference}: {problem}"]);

    private static DirectionDto Describe(Verdict verdict) => new(
        verdict.Allowed,
        verdict.DecidedBy is { Kind: { } kind } rule ? Describe(kind, rule) : null,
        verdict.Reason);

    private static DecisionDto Describe(string kind, RuleReference rule) => new(
        kind,
        rule.Policy.Namespace.Length == 0 ? null : rule.Policy.Namespace,
        rule.Policy.Name,
        rule.Rule,
        rule.Position.File,
        rule.Position.Line == 0 ? null : rule.Position.Line);

    private static string Name(Probe probe) => probe.Protocol?.ToString().ToUpperInvariant() ?? string.Empty;
}
