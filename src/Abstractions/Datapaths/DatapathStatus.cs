namespace Portcullis.Datapaths;

/// <summary>Packets of one direction that met the same fate since the datapath took over, summed over processors.</summary>
/// <param name="Direction">The direction as the workload sees it.</param>
/// <param name="Verdict">What happened to them.</param>
/// <param name="Reason">Why, in the words of the datapath: lower case with dashes, a fixed set.</param>
/// <param name="Packets">Packets; a segment that hardware will split counts once.</param>
/// <param name="Bytes">Bytes, link-layer header included.</param>
public readonly record struct PacketCounter(Direction Direction, FlowVerdict Verdict, string Reason, long Packets, long Bytes);

/// <summary>Packets that one policy decided since the datapath took over, summed over its rules and over processors.</summary>
/// <param name="Kind">The kind of policy, as users know it.</param>
/// <param name="Policy">Its name.</param>
/// <param name="Verdict">What happened to the packets.</param>
/// <param name="Packets">Packets.</param>
public readonly record struct PolicyCounter(string Kind, NamespacedName Policy, FlowVerdict Verdict, long Packets);

/// <summary>How full a kernel table is.</summary>
/// <param name="Table">Its name.</param>
/// <param name="Entries">Entries in use.</param>
/// <param name="Capacity">Entries there is room for now; tables that grow may report more later.</param>
public readonly record struct TableUsage(string Table, long Entries, long Capacity);

/// <summary>A reading of a datapath.</summary>
public sealed record DatapathStatus
{
    /// <summary>Packet counters.</summary>
    public IReadOnlyList<PacketCounter> Packets { get; init; } = [];

    /// <summary>Counters per policy, as far as the datapath keeps them: a bounded number, the ones that decided most.</summary>
    public IReadOnlyList<PolicyCounter> Policies { get; init; } = [];

    /// <summary>Table sizes.</summary>
    public IReadOnlyList<TableUsage> Tables { get; init; } = [];

    /// <summary>Verdict events that were lost because nobody read them in time.</summary>
    public long FlowEventsLost { get; init; }

    /// <summary>How often something foreign had changed this datapath's state and it was repaired.</summary>
    public long DriftRepairs { get; init; }
}
