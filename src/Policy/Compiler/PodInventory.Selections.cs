using System.Runtime.InteropServices;
using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <content>Namespaces, scopes and selections.</content>
internal sealed partial class PodInventory
{
    private readonly Dictionary<string, NamespaceState> _namespaces = [];
    private readonly LabelIndex<NamespaceState> _namespacesByLabel = new();
    private readonly Dictionary<ScopeKey, Scope> _scopes = [];
    private readonly SelectorIndex<Scope> _scopesBySelector = new();
    private readonly Dictionary<SelectionKey, Selection> _selections = [];

    /// <summary>The number of interned selections.</summary>
    public int SelectionCount => _selections.Count;

    /// <summary>Whether every table is empty.</summary>
    public bool IsEmpty =>
        _pods.Count + _podsByLabel.Count + Addresses.Count + Addresses.Contested.Count + _namespaces.Count + _namespacesByLabel.Count
        + _scopes.Count + _scopesBySelector.Count + _selections.Count == 0;

    /// <summary>Takes a namespace's labels; null when its object is gone.</summary>
    public void SetNamespace(string name, LabelSet? labels)
    {
        var hasObject = labels is not null;
        labels ??= LabelSet.Empty;
        labels = labels.TryGetValue(Namespace.NameLabel, out _) ? labels : labels.With(Namespace.NameLabel, name);
        var ns = _namespaces.GetValueOrDefault(name) ?? AddNamespace(name, labels);
        ns.HasObject = hasObject;
        if (!labels.Equals(ns.Labels))
        {
            _namespacesByLabel.Change(ns, ns.Labels, labels);
            ns.Labels = labels;
            Rescope(ns);
        }

        DropIfUnused(ns);
    }

    /// <summary>Every workload of a namespace.</summary>
    public ReadOnlySpan<PodState> PodsIn(string name) => _namespaces.TryGetValue(name, out var ns) ? ns.Pods.AsSpan() : [];

    /// <summary>The interned selection; the caller counts its reference.</summary>
    public Selection GetSelection(SelectionKey key)
    {
        if (!_selections.TryGetValue(key, out var selection))
        {
            _selections.Add(key, selection = new Selection(key, GetScope(key.Scope)));
            var pods = PodsOf(selection);
            selection.Scope.Selections.Add(key.Pods, selection);
            foreach (var pod in pods)
            {
                pod.Matches.Add(selection);
            }
        }

        return selection;
    }

    /// <summary>Forgets a selection nothing refers to.</summary>
    public void Drop(Selection selection)
    {
        foreach (var pod in PodsOf(selection))
        {
            pod.Matches.Remove(selection);
        }

        _selections.Remove(selection.Key);
        var scope = selection.Scope;
        scope.Selections.Remove(selection.Key.Pods, selection);
        if (scope.Selections.Count > 0)
        {
            return;
        }

        _scopes.Remove(scope.Key);
        if (scope.Key.Selector is { } selector)
        {
            _scopesBySelector.Remove(selector, scope);
        }

        foreach (var ns in scope.Namespaces)
        {
            ns.Scopes.Remove(scope);
            DropIfUnused(ns);
        }
    }

    /// <summary>The pods of a selection, in no order.</summary>
    public List<PodState> PodsOf(Selection selection)
    {
        var (scope, selector) = (selection.Scope, selection.Key.Pods);
        var result = new List<PodState>();
        if (scope.Namespaces.Count > 1 && _podsByLabel.CountCandidates(selector) is { } count && count < CountPods(scope))
        {
            _podsByLabel.FindCandidates(selector, result);
            result.RemoveAll(pod =>
                !pod.IsSelectable || !pod.Namespace.Scopes.Contains(scope) || !LabelMatching.Matches(selector, pod.Workload.Labels));
            return result;
        }

        foreach (var ns in scope.Namespaces)
        {
            foreach (var pod in ns.Pods)
            {
                if (pod.IsSelectable && LabelMatching.Matches(selector, pod.Workload.Labels))
                {
                    result.Add(pod);
                }
            }
        }

        return result;
    }

    private static int CountPods(Scope scope)
    {
        var count = 0;
        foreach (var ns in scope.Namespaces)
        {
            count += ns.Pods.Count;
        }

        return count;
    }

    private Scope GetScope(ScopeKey key)
    {
        ref var scope = ref CollectionsMarshal.GetValueRefOrAddDefault(_scopes, key, out _);
        if (scope is not null)
        {
            return scope;
        }

        scope = new Scope(key);
        var namespaces = new List<NamespaceState>();
        if (key.Selector is not { } selector)
        {
            namespaces.Add(GetNamespace(key.Namespace!));
        }
        else
        {
            _scopesBySelector.Add(selector, scope);
            if (_namespacesByLabel.CountCandidates(selector) is null)
            {
                namespaces.AddRange(_namespaces.Values);
            }
            else
            {
                _namespacesByLabel.FindCandidates(selector, namespaces);
            }

            namespaces.RemoveAll(ns => !LabelMatching.Matches(selector, ns.Labels));
        }

        foreach (var ns in namespaces)
        {
            scope.Namespaces.Add(ns);
            ns.Scopes.Add(scope);
        }

        return scope;
    }

    private NamespaceState GetNamespace(string name) =>
        _namespaces.GetValueOrDefault(name) ?? AddNamespace(name, LabelSet.Of((Namespace.NameLabel, name)));

    private NamespaceState AddNamespace(string name, LabelSet labels)
    {
        var ns = new NamespaceState(name, labels);
        _namespaces.Add(name, ns);
        _namespacesByLabel.Change(ns, LabelSet.Empty, labels);
        Rescope(ns);
        return ns;
    }

    private void DropIfUnused(NamespaceState ns)
    {
        if (ns.HasObject || ns.Pods.Count > 0)
        {
            return;
        }

        foreach (var scope in ns.Scopes)
        {
            if (scope.Key.Namespace is not null)
            {
                return;
            }
        }

        _namespaces.Remove(ns.Name);
        _namespacesByLabel.Change(ns, ns.Labels, LabelSet.Empty);
        foreach (var scope in ns.Scopes)
        {
            scope.Namespaces.Remove(ns);
        }
    }

    /// <summary>Finds the scopes of a namespace after its labels changed, and lets its pods join and leave what that changes.</summary>
    private void Rescope(NamespaceState ns)
    {
        var now = new List<Scope>();
        _scopesBySelector.FindCandidates(ns.Labels, now);
        now.RemoveAll(scope => !LabelMatching.Matches(scope.Key.Selector!, ns.Labels));

        // Removing puts the last scope, which was looked at, in the place of this one.
        for (var i = ns.Scopes.Count - 1; i >= 0; i--)
        {
            var scope = ns.Scopes[i];
            if (scope.Key.Selector is not null && !now.Remove(scope))
            {
                ns.Scopes.Remove(scope);
                scope.Namespaces.Remove(ns);
                ForEachMatch(ns, scope, Leave);
            }
        }

        foreach (var scope in now)
        {
            ns.Scopes.Add(scope);
            scope.Namespaces.Add(ns);
            ForEachMatch(ns, scope, Join);
        }
    }

    private static void ForEachMatch(NamespaceState ns, Scope scope, Action<PodState, Selection> action)
    {
        var candidates = new List<Selection>();
        foreach (var pod in ns.Pods)
        {
            candidates.Clear();
            if (pod.IsSelectable)
            {
                scope.Selections.FindCandidates(pod.Workload.Labels, candidates);
            }

            foreach (var selection in candidates)
            {
                if (LabelMatching.Matches(selection.Key.Pods, pod.Workload.Labels))
                {
                    action(pod, selection);
                }
            }
        }
    }

    /// <summary>The selections a pod's labels match; the list is used again by the next call.</summary>
    private List<Selection> FindMatches(PodState pod)
    {
        _matches.Clear();
        if (pod.IsSelectable)
        {
            foreach (var scope in pod.Namespace.Scopes)
            {
                scope.Selections.FindCandidates(pod.Workload.Labels, _matches);
            }

            var labels = pod.Workload.Labels;
            _matches.RemoveAll(selection => !LabelMatching.Matches(selection.Key.Pods, labels));
        }

        return _matches;
    }

    /// <summary>Lets a pod leave the selections it no longer matches and join the new ones.</summary>
    private void SetMatches(PodState pod, List<Selection> now)
    {
        var mark = ++_mark;
        foreach (var selection in now)
        {
            selection.Mark = mark;
        }

        // Leaving puts the last selection, which was looked at, in the place of this one.
        for (var i = pod.Matches.Count - 1; i >= 0; i--)
        {
            if (pod.Matches[i].Mark != mark)
            {
                Leave(pod, pod.Matches[i]);
            }
        }

        mark = ++_mark;
        foreach (var selection in pod.Matches)
        {
            selection.Mark = mark;
        }

        foreach (var selection in now)
        {
            if (selection.Mark != mark)
            {
                Join(pod, selection);
            }
        }
    }

    private void Join(PodState pod, Selection selection)
    {
        pod.Matches.Add(selection);
        foreach (var group in selection.NamedPorts)
        {
            JoinGroup(group, pod);
        }

        foreach (var address in Addresses.OwnedBy(pod))
        {
            Move(selection, pod, address, added: true);
        }

        NotifySubject(pod, selection);
    }

    private void Leave(PodState pod, Selection selection)
    {
        foreach (var address in Addresses.OwnedBy(pod))
        {
            Move(selection, pod, address, added: false);
        }

        foreach (var group in selection.NamedPorts)
        {
            foreach (var port in group.Matching(pod.Workload))
            {
                if (group.Part(port))
                {
                    changes.NumbersChanged(group);
                }
            }
        }

        pod.Matches.Remove(selection);
        NotifySubject(pod, selection);
    }

    /// <summary>Counts a pod that is in a group's selection.</summary>
    public void JoinGroup(NamedPortGroup group, PodState pod)
    {
        foreach (var port in group.Matching(pod.Workload))
        {
            if (group.Join(port, wanted => CreateNumber(group, wanted)))
            {
                changes.NumbersChanged(group);
            }
        }
    }

    private PodPeerSet CreateNumber(NamedPortGroup group, NamedPort port)
    {
        var pods = new PodPeers(this, group.Selection, group.Key.Within, port);
        var peers = new PodPeerSet(changes.PeerSetIds.Take(), pods) { Hidden = group.Hidden };
        changes.PeerSetsById[peers.Id.Value] = peers;
        changes.PeerSetChanged(peers);
        return peers;
    }

    private void NotifySubject(PodState pod, Selection selection)
    {
        if (selection.Policies.Count > 0)
        {
            changes.EndpointChanged(pod);
        }
    }
}
