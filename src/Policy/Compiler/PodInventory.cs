using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>Namespaces, workloads and who matches which selection; logs what a change means for peer sets.</summary>
internal sealed partial class PodInventory(ChangeLog changes)
{
    private readonly Dictionary<NamespacedName, PodState> _pods = [];
    private readonly LabelIndex<PodState> _podsByLabel = new();
    private readonly List<Selection> _matches = [];
    private int _mark;

    /// <summary>Who owns which address.</summary>
    public AddressBook Addresses { get; } = new();

    /// <summary>Every workload.</summary>
    public Dictionary<NamespacedName, PodState>.ValueCollection Pods => _pods.Values;

    /// <summary>The workload of this name, or null.</summary>
    public PodState? Find(NamespacedName name) => _pods.GetValueOrDefault(name);

    /// <summary>Takes a workload in its new state.</summary>
    public void Upsert(Workload workload)
    {
        if (_pods.TryGetValue(workload.Key.NamespacedName, out var pod))
        {
            Change(pod, workload);
        }
        else
        {
            pod = Add(workload);
        }

        changes.EndpointChanged(pod);
    }

    /// <summary>Forgets a workload.</summary>
    public void Remove(NamespacedName name)
    {
        if (!_pods.Remove(name, out var pod))
        {
            return;
        }

        Withdraw(pod);
        SetMatches(pod, []);
        _podsByLabel.Change(pod, pod.Workload.Labels, LabelSet.Empty);
        ref var pods = ref pod.Namespace.Pods;
        pods[pods.Count - 1].IndexInNamespace = pod.IndexInNamespace;
        pods.RemoveAt(pod.IndexInNamespace);
        DropIfUnused(pod.Namespace);
        changes.EndpointChanged(pod);
    }

    private PodState Add(Workload workload)
    {
        var ns = GetNamespace(workload.Namespace);
        var pod = new PodState(ns, workload) { IndexInNamespace = ns.Pods.Count };
        ns.Pods.Add(pod);
        _pods.Add(workload.Key.NamespacedName, pod);
        _podsByLabel.Change(pod, LabelSet.Empty, workload.Labels);
        SetMatches(pod, FindMatches(pod));
        Claim(pod);
        return pod;
    }

    private void Change(PodState pod, Workload workload)
    {
        var old = pod.Workload;
        _podsByLabel.Change(pod, old.Labels, workload.Labels);
        var sameAddresses = old.Addresses == workload.Addresses && old.Ports == workload.Ports && old.CreatedAt == workload.CreatedAt
            && old.HostNetwork == workload.HostNetwork && old.Finished == workload.Finished;
        if (sameAddresses)
        {
            pod.Workload = workload;
            SetMatches(pod, FindMatches(pod));
            return;
        }

        Withdraw(pod);
        SetMatches(pod, []);
        pod.Workload = workload;
        SetMatches(pod, FindMatches(pod));
        Claim(pod);
    }

    private void Claim(PodState pod)
    {
        if (!pod.IsSelectable)
        {
            return;
        }

        foreach (var address in pod.Workload.Addresses.Distinct())
        {
            var (before, after) = Addresses.Claim(address, pod);
            ChangeOwner(address, before, after);
        }
    }

    private void Withdraw(PodState pod)
    {
        if (!pod.IsSelectable)
        {
            return;
        }

        foreach (var address in pod.Workload.Addresses.Distinct())
        {
            var (before, after) = Addresses.Withdraw(address, pod);
            ChangeOwner(address, before, after);
        }
    }

    private void ChangeOwner(IpAddress address, PodState? before, PodState? after)
    {
        if (before == after)
        {
            return;
        }

        if (before is not null)
        {
            foreach (var selection in before.Matches)
            {
                Move(selection, before, address, added: false);
            }

            changes.EndpointChanged(before);
        }

        if (after is not null)
        {
            foreach (var selection in after.Matches)
            {
                Move(selection, after, address, added: true);
            }

            changes.EndpointChanged(after);
        }
    }

    /// <summary>An owned address of a pod enters or leaves everything that looks at the selection.</summary>
    private void Move(Selection selection, PodState pod, IpAddress address, bool added)
    {
        changes.SelectionChanged(address);
        foreach (var peers in selection.PeerSets)
        {
            if (!peers.Hidden.Contains(address))
            {
                changes.MemberChanged(peers, address, added);
            }
        }

        foreach (var group in selection.NamedPorts)
        {
            foreach (var port in group.Matching(pod.Workload))
            {
                var peers = group.Find(port);
                if (peers.Pods.IsWithin(address) && !peers.Hidden.Contains(address))
                {
                    changes.MemberChanged(peers, address, added);
                }
            }
        }
    }
}
