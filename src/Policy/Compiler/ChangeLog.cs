using Portcullis.Net;

namespace Portcullis.Policy.Compiler;

/// <summary>Hands out numbers from 1, the freed ones again.</summary>
internal sealed class IdPool
{
    private readonly Stack<int> _free = [];
    private int _last;

    public int Take() => _free.TryPop(out var id) ? id : ++_last;

    public void Return(int id) => _free.Push(id);
}

/// <summary>What the resource changes since the last change set made necessary.</summary>
internal sealed class ChangeLog
{
    public IdPool PeerSetIds { get; } = new();

    /// <summary>Every peer set in use.</summary>
    public Dictionary<int, PeerSetState> PeerSetsById { get; } = [];

    /// <summary>The frontends with a backend at an address, as of the last change set.</summary>
    public Dictionary<IpAddress, HashSet<Frontend>> FrontendsByBackend { get; } = [];

    /// <summary>Frontends that may be judged differently because a backend entered or left some selection.</summary>
    public HashSet<Frontend> Frontends { get; } = [];

    /// <summary>Workloads whose endpoint or rules may differ now.</summary>
    public List<PodState> Endpoints { get; } = [];

    /// <summary>Peer sets that are new or have other members.</summary>
    public List<PeerSetState> PeerSets { get; } = [];

    /// <summary>Named ports that stand for other numbers.</summary>
    public List<NamedPortGroup> NamedPorts { get; } = [];

    public void EndpointChanged(PodState pod)
    {
        if (!pod.IsDirty)
        {
            pod.IsDirty = true;
            Endpoints.Add(pod);
        }
    }

    /// <summary>An address entered or left some selection.</summary>
    public void SelectionChanged(IpAddress address)
    {
        if (FrontendsByBackend.TryGetValue(address, out var frontends))
        {
            Frontends.UnionWith(frontends);
        }
    }

    public void MemberChanged(PeerSetState peers, IpAddress address, bool added)
    {
        peers.Log(IpPrefix.Host(address), added);
        PeerSetChanged(peers);
    }

    public void PeerSetChanged(PeerSetState peers)
    {
        if (!peers.IsChanged)
        {
            peers.IsChanged = true;
            PeerSets.Add(peers);
        }
    }

    public void NumbersChanged(NamedPortGroup group)
    {
        if (!group.IsChanged)
        {
            group.IsChanged = true;
            NamedPorts.Add(group);
        }
    }

    /// <summary>Forgets everything, and buffers larger than this with it.</summary>
    public void Clear(int largest)
    {
        Frontends.Clear();
        Endpoints.Clear();
        PeerSets.Clear();
        NamedPorts.Clear();
        Endpoints.Capacity = Math.Min(Endpoints.Capacity, largest);
        PeerSets.Capacity = Math.Min(PeerSets.Capacity, largest);
    }
}
