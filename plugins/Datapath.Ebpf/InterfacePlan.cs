using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf;

/// <summary>What the programs shall know of one interface.</summary>
/// <param name="Link">The interface.</param>
/// <param name="Workload">Whose it is.</param>
/// <param name="Rows">Both rows, as in <see cref="PcEndpoint"/>.</param>
/// <param name="Flags">Its flags.</param>
/// <param name="Addresses">The workload's addresses.</param>
internal sealed record InterfacePlan(
    Link Link,
    NamespacedName Workload,
    ulong Rows,
    PcEndpointFlags Flags,
    EquatableArray<IpAddress> Addresses)
{
    public int Ifindex => Link.Index;

    public string Name => Link.Name;

    /// <summary>The plan for an endpoint whose interface exists; null when nothing is to be enforced on it.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="allowSpoofing">Whether source addresses go unchecked.</param>
    /// <param name="rowOf">Rows of rule sets.</param>
    public static InterfacePlan? For(Endpoint endpoint, bool allowSpoofing, Func<RuleSetId, uint> rowOf)
    {
        var isSelf = endpoint.Side == InterfaceSide.Self;
        var checkSource = !isSelf && !allowSpoofing && !endpoint.Addresses.IsEmpty;
        if (endpoint.Link is not { } link || (endpoint.Ingress is null && endpoint.Egress is null && !checkSource))
        {
            return null;
        }

        var flags = PcEndpointFlags.Present
            | (isSelf ? PcEndpointFlags.Self : PcEndpointFlags.None)
            | (checkSource ? PcEndpointFlags.CheckSource : PcEndpointFlags.None)
            | (endpoint.Addresses.Any(address => address.Family == IpFamily.IPv4) ? PcEndpointFlags.HasIp4 : PcEndpointFlags.None)
            | (endpoint.Addresses.Any(address => address.Family == IpFamily.IPv6) ? PcEndpointFlags.HasIp6 : PcEndpointFlags.None);
        ulong ingress = endpoint.Ingress is { } into ? rowOf(into) : 0;
        ulong egress = endpoint.Egress is { } from ? rowOf(from) : 0;
        var plan = new InterfacePlan(link, endpoint.Workload, ingress | (egress << 32), flags, endpoint.Addresses);
        return plan.FurtherAddresses().Any() ? plan with { Flags = flags | PcEndpointFlags.MoreAddresses } : plan;
    }

    /// <summary>The plan for an interface that nothing may pass.</summary>
    public InterfacePlan Close() => this with { Rows = 0, Flags = Flags | PcEndpointFlags.Closed };

    /// <summary>The addresses beyond the first of each family.</summary>
    public IEnumerable<IpAddress> FurtherAddresses() =>
        Addresses.Where(address => address.Family == IpFamily.IPv4).Skip(1)
            .Concat(Addresses.Where(address => address.Family == IpFamily.IPv6).Skip(1));

    /// <summary>The first IPv4 address as it lies in memory; 0 when there is none.</summary>
    public uint FirstIp4Be()
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        Addresses.FirstOrDefault(address => address.Family == IpFamily.IPv4, IpAddress.V4(0)).WriteNetworkOrder(bytes);
        return MemoryMarshal.Read<uint>(bytes);
    }

    /// <summary>The first IPv6 address; all zero when there is none.</summary>
    public AddressBytes FirstIp6()
    {
        AddressBytes bytes = default;
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Addresses.FirstOrDefault(address => address.Family == IpFamily.IPv6, IpAddress.V6(0)).Bits);
        return bytes;
    }
}
