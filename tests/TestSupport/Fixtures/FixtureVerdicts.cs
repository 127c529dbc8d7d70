namespace Portcullis.TestSupport.Fixtures;

/// <summary>A matrix of verdicts: a row for each sender, a character for each receiver: 1 allowed, 0 denied, - not asked.</summary>
/// <param name="Flows">The flows it holds for, as <c>TCP/80/IPv4</c>.</param>
/// <param name="Matrix">The rows by sender.</param>
public sealed record FixtureVerdicts(IReadOnlyList<string> Flows, IReadOnlyDictionary<string, string> Matrix);
