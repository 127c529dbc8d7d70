using System.Collections.Immutable;
using Portcullis.Net;

namespace Portcullis.Rules;

/// <summary>Identifies a peer set. Numbers start at 1 and are reused only after a change set has removed their bearer.</summary>
/// <param name="Value">The number.</param>
public readonly record struct PeerSetId(int Value);

/// <summary>
/// What changed in a peer set: a set of addresses, given as prefixes, that rules refer to. An address belongs to it when
/// any of its prefixes contains it. Holes (<c>except</c>) are already cut out, and prefixes of one set never overlap.
/// </summary>
/// <param name="Id">The set; one that no earlier change set named starts empty.</param>
/// <param name="Description">What it selects, for people; the same for the whole life of the set.</param>
/// <param name="Added">Prefixes that were not in the set.</param>
/// <param name="Removed">Prefixes that were in the set. Disjoint from <paramref name="Added"/>; applied together with it.</param>
public sealed record PeerSetDelta(
    PeerSetId Id,
    string Description,
    ImmutableArray<IpPrefix> Added,
    ImmutableArray<IpPrefix> Removed);
