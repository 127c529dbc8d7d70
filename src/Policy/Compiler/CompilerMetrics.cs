namespace Portcullis.Policy.Compiler;

/// <summary>How much a compiler holds.</summary>
/// <param name="Endpoints">Endpoints.</param>
/// <param name="Policies">Policies of both kinds.</param>
/// <param name="PeerSets">Peer sets in use.</param>
/// <param name="RuleSets">Rule sets in use.</param>
/// <param name="Selections">Interned pod selections, of subjects and peers.</param>
public readonly record struct CompilerMetrics(int Endpoints, int Policies, int PeerSets, int RuleSets, int Selections);
