namespace Portcullis.Sources.Files;

/// <summary>What happened to files since it was last asked.</summary>
/// <param name="Saved">Real paths of files that were written, replaced or removed.</param>
/// <param name="ObservedAt">When the first of it was noticed, from <see cref="TimeProvider.GetTimestamp"/>.</param>
internal sealed record FileActivity(IReadOnlySet<string> Saved, long ObservedAt);
