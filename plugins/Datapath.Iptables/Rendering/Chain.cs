namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>A chain and its rules.</summary>
/// <param name="Name">The chain.</param>
/// <param name="Rules">The rules as <c>iptables</c> takes them, without <c>-A chain</c>.</param>
internal sealed record Chain(string Name, EquatableArray<string> Rules);
