using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>Which namespaces a <see cref="Scope"/> covers: exactly one by name, or those with matching labels.</summary>
internal readonly record struct ScopeKey(string? Namespace, LabelSelector? Selector)
{
    public override string ToString() => Namespace is not null
        ? $"namespace {Namespace}"
        : Selector!.Requirements.IsEmpty ? "every namespace" : $"namespaces with {LabelMatching.Describe(Selector)}";
}

/// <summary>Pods by namespace and labels; the selector is canonical.</summary>
internal readonly record struct SelectionKey(ScopeKey Scope, LabelSelector Pods)
{
    /// <summary>Every pod of every namespace.</summary>
    public static readonly SelectionKey Everything = new(new ScopeKey(null, LabelSelector.Everything), LabelSelector.Everything);

    public override string ToString() =>
        (Pods.Requirements.IsEmpty ? "every pod" : $"pods with {LabelMatching.Describe(Pods)}") + $" in {Scope}";
}

/// <summary>A set of namespaces that selections share, with the selections over it.</summary>
internal sealed class Scope(ScopeKey key)
{
    public ScopeKey Key { get; } = key;

    public SelectorIndex<Selection> Selections { get; } = new();

    public CompactList<NamespaceState> Namespaces;
}

/// <summary>An interned set of pods and who wants to know about it.</summary>
internal sealed class Selection(SelectionKey key, Scope scope)
{
    public SelectionKey Key { get; } = key;

    public Scope Scope { get; } = scope;

    public int References { get; set; }

    /// <summary>Policies whose subject this is.</summary>
    public CompactList<PolicyState> Policies;

    /// <summary>Peer sets of its pods' addresses.</summary>
    public CompactList<PodPeerSet> PeerSets;

    /// <summary>Peer sets by named port.</summary>
    public CompactList<NamedPortGroup> NamedPorts;

    /// <summary>Scratch mark of the comparison of two match lists.</summary>
    public int Mark { get; set; }
}

/// <summary>A namespace, known because of its own object, its pods or a policy's scope.</summary>
internal sealed class NamespaceState(string name, LabelSet labels)
{
    public string Name { get; } = name;

    /// <summary>The labels, its name included.</summary>
    public LabelSet Labels { get; set; } = labels;

    public bool HasObject { get; set; }

    public CompactList<PodState> Pods;

    public CompactList<Scope> Scopes;
}

/// <summary>A workload with what the compiler knows about it.</summary>
internal sealed class PodState(NamespaceState ns, Workload workload)
{
    public NamespaceState Namespace { get; } = ns;

    public int IndexInNamespace { get; set; }

    public Workload Workload { get; set; } = workload;

    /// <summary>Whether policies can select it: as a subject and as a peer.</summary>
    public bool IsSelectable => !Workload.HostNetwork && !Workload.Finished;

    /// <summary>How many addresses it owns, see <see cref="AddressBook"/>.</summary>
    public int Owned { get; set; }

    /// <summary>The Services it is behind.</summary>
    public IReadOnlyList<ServiceState> Services { get; set; } = [];

    public EndpointState? Endpoint { get; set; }

    public bool IsDirty { get; set; }

    /// <summary>The selections it is in.</summary>
    public CompactList<Selection> Matches;
}
