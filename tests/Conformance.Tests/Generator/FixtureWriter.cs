using Portcullis.TestSupport.Fixtures;

namespace Portcullis.Conformance.Generator;

/// <summary>Turns cases into the files of fixture folders.</summary>
internal static class FixtureWriter
{
    private static readonly (string Protocol, int Port)[] Few = [("TCP", 80), ("UDP", 81)];

    private static readonly (string Protocol, int Port)[] Many =
        [("TCP", 79), ("TCP", 80), ("TCP", 81), ("TCP", 7777), ("UDP", 79), ("UDP", 80), ("UDP", 81), ("UDP", 7777), ("SCTP", 79), ("SCTP", 80), ("SCTP", 81), ("SCTP", 7777)];

    public static IEnumerable<Case> Cases() =>
        [.. PeerCases.All(), .. PortCases.All(), .. RuleCases.All(), .. ClusterCases.All(), .. ActionCases.All()];

    /// <summary>The files of a case by their path below the fixtures folder.</summary>
    public static IEnumerable<(string Path, string Content)> Files(Case @case)
    {
        var folder = $"{@case.Group}/{@case.Name}";
        yield return ($"{folder}/world.yaml", Documents([.. World.Manifests(), .. @case.Steps[0].Apply]));
        for (var step = 1; step < @case.Steps.Length; step++)
        {
            if (@case.Steps[step].Apply.Length > 0)
            {
                yield return ($"{folder}/step-{step}.yaml", Documents(@case.Steps[step].Apply));
            }
        }

        var fixture = new Fixture(
            @case.Proves,
            World.Everyone.ToDictionary(actor => actor.Id, actor => new[] { actor.V4, actor.V6 }),
            [.. @case.Steps.Select(step => new FixtureStep(step.Delete, Verdicts(@case, step)))]);
        yield return ($"{folder}/expected.json", fixture.ToJson());
    }

    private static List<FixtureVerdicts> Verdicts(Case @case, Step step)
    {
        var flows = @case.Group == "ports" || @case.Name.Contains("-deny-", StringComparison.Ordinal) || @case.Name.Contains("ports", StringComparison.Ordinal) ? Many : Few;
        var groups = new List<(List<string> Flows, Dictionary<string, string> Matrix)>();
        foreach (var (protocol, port) in flows)
        {
            foreach (var family in new[] { "IPv4", "IPv6" })
            {
                var matrix = Matrix(step, protocol, port, family);
                var equal = groups.FirstOrDefault(group => group.Matrix.Values.SequenceEqual(matrix.Values)).Flows;
                if (equal is null)
                {
                    groups.Add((equal = [], matrix));
                }

                equal.Add($"{protocol}/{port}/{family}");
            }
        }

        return [.. groups.Select(group => new FixtureVerdicts(group.Flows, group.Matrix))];
    }

    private static Dictionary<string, string> Matrix(Step step, string protocol, int port, string family) =>
        World.Everyone.ToDictionary(
            from => from.Id,
            from => string.Concat(World.Everyone.Select(to => Verdict(step, new Flow(from, to, protocol, port, family)))));

    private static char Verdict(Step step, Flow flow)
    {
        if (flow.From == flow.To || (!flow.From.IsPod && !flow.To.IsPod))
        {
            return '-';
        }

        return step.Allowed(flow) ? '1' : '0';
    }

    private static string Documents(IEnumerable<string> manifests) => string.Join("\n---\n", manifests.Select(manifest => manifest.ReplaceLineEndings("\n").TrimEnd('\n'))) + "\n";
}
