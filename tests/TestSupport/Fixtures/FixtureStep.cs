namespace Portcullis.TestSupport.Fixtures;

/// <summary>The verdicts after a step.</summary>
/// <param name="Delete">What the step deletes, as <c>Kind namespace/name</c>.</param>
/// <param name="Verdicts">Flows with equal verdicts stand together.</param>
public sealed record FixtureStep(IReadOnlyList<string> Delete, IReadOnlyList<FixtureVerdicts> Verdicts);
