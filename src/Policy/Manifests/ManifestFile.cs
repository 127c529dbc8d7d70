using System.Collections.Immutable;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>What a file of manifests holds.</summary>
/// <param name="Resources">The objects, in the file's order. An object that is given twice is there once, the first time.</param>
/// <param name="Findings">Everything there is to say about the file, document by document.</param>
/// <param name="Complete">
/// Whether every object of a known kind could be read at least in its closed form. Where not, the file may hold more than
/// <paramref name="Resources"/>: who has an earlier version of it should remove nothing.
/// </param>
/// <param name="HasDuplicates">Whether an object is given twice.</param>
public sealed record ManifestFile(
    ImmutableArray<Resource> Resources, ImmutableArray<Finding> Findings, bool Complete, bool HasDuplicates = false);
