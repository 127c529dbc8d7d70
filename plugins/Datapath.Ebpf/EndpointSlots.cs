using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Datapath.Ebpf;

/// <summary>
/// Which entry of the endpoint table an interface has: that of its index's low bits, or a far one when another interface has it.
/// </summary>
internal sealed class EndpointSlots
{
    private readonly Dictionary<int, int> _slots = [];
    private readonly HashSet<int> _taken = [];
    private readonly HashSet<int> _retired = [];
    private int _firstFree = Pc.NearSlots;

    /// <summary>Interfaces that have a slot.</summary>
    public int Count => _slots.Count;

    /// <summary>Whether a slot is only found by its interface's name for it.</summary>
    public static bool IsFar(int slot) => slot >= Pc.NearSlots;

    public bool Has(int ifindex) => _slots.ContainsKey(ifindex);

    /// <summary>The slot of an interface that has one.</summary>
    public int this[int ifindex] => _slots[ifindex];

    /// <summary>The slot of an interface, now or from now on; null: all are taken.</summary>
    /// <param name="ifindex">The interface.</param>
    /// <param name="waitForGracePeriod">Called before a slot gets another interface: packets may still read it for the one before.</param>
    public int? Take(int ifindex, Action waitForGracePeriod)
    {
        if (_slots.TryGetValue(ifindex, out var slot))
        {
            return slot;
        }

        slot = ifindex % Pc.NearSlots;
        if (_taken.Contains(slot))
        {
            for (slot = _firstFree; slot < Pc.EndpointSlots && _taken.Contains(slot); slot++)
            {
            }

            if (slot == Pc.EndpointSlots)
            {
                return null;
            }

            _firstFree = slot + 1;
        }

        if (_retired.Contains(slot))
        {
            waitForGracePeriod();
            _retired.Clear();
        }

        _taken.Add(slot);
        _slots.Add(ifindex, slot);
        return slot;
    }

    /// <summary>Takes a slot back from an interface whose entry is cleared.</summary>
    public void Return(int ifindex)
    {
        _slots.Remove(ifindex, out var slot);
        _taken.Remove(slot);
        _retired.Add(slot);
        _firstFree = IsFar(slot) ? Math.Min(_firstFree, slot) : _firstFree;
    }
}
