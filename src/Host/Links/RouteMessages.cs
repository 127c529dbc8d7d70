using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Portcullis.Net;

namespace Portcullis.Host.Links;

/// <summary>Reads rtnetlink messages (rtnetlink(7)). Numbers are in host byte order, addresses in network order.</summary>
internal static class RouteMessages
{
    public const ushort Error = 2;
    public const ushort Done = 3;
    public const ushort NewLink = 16;
    public const ushort DelLink = 17;
    public const ushort GetLink = 18;
    public const ushort NewAddress = 20;
    public const ushort DelAddress = 21;
    public const ushort GetAddress = 22;
    public const ushort NewRoute = 24;
    public const ushort DelRoute = 25;
    public const ushort GetRoute = 26;
    public const ushort NewNeighbour = 28;
    public const ushort DelNeighbour = 29;
    public const ushort GetNeighbour = 30;

    /// <summary>nlmsg_flags of a dump that changed while it was made.</summary>
    public const ushort DumpInterrupted = 0x10;

    /// <summary>RTMGRP_LINK, RTMGRP_NEIGH, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE.</summary>
    public const uint Groups = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400;

    /// <summary>AF_UNSPEC.</summary>
    public const byte AnyFamily = 0;

    /// <summary>AF_INET.</summary>
    public const byte FamilyIPv4 = 2;

    /// <summary>AF_BRIDGE: of neighbours, the entries of bridges that say which port an Ethernet address is behind.</summary>
    public const byte FamilyBridge = 7;

    /// <summary>AF_INET6.</summary>
    public const byte FamilyIPv6 = 10;

    public const int HeaderBytes = 16;

    private const ushort RequestDump = 0x1 | 0x300;
    private const ushort Replace = 0x100;

    /// <summary>A request for the whole state of one kind.</summary>
    public static byte[] Dump(ushort type, uint sequence, byte family)
    {
        // The longest fixed part of the four kinds is ifinfomsg with 16 bytes; the first byte is the family in each.
        var message = new byte[HeaderBytes + (type == GetLink ? 16 : type == GetAddress ? 8 : 12)];
        var header = MemoryMarshal.Cast<byte, uint>(message.AsSpan());
        header[0] = (uint)message.Length;
        header[1] = type | ((uint)RequestDump << 16);
        header[2] = sequence;
        message[HeaderBytes] = family;
        return message;
    }

    /// <summary>Applies one message.</summary>
    /// <param name="type">nlmsg_type.</param>
    /// <param name="flags">nlmsg_flags.</param>
    /// <param name="body">What follows the header.</param>
    /// <param name="table">The state to change.</param>
    public static void Apply(ushort type, ushort flags, ReadOnlySpan<byte> body, LinkTableBuilder table)
    {
        switch (type)
        {
            case NewLink or DelLink:
                ApplyLink(type, body, table);
                break;
            case NewAddress or DelAddress:
                ApplyAddress(type, body, table);
                break;
            case NewRoute or DelRoute:
                ApplyRoute(type, flags, body, table);
                break;
            case NewNeighbour or DelNeighbour:
                ApplyNeighbour(type, body, table);
                break;
            default:
                break;
        }
    }

    private static void ApplyLink(ushort type, ReadOnlySpan<byte> body, LinkTableBuilder table)
    {
        // Other families than AF_UNSPEC tell about a bridge port, not about the interface.
        if (body[0] != 0)
        {
            return;
        }

        var index = BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
        if (type == DelLink)
        {
            table.RemoveLink(index);
            return;
        }

        var linkFlags = BinaryPrimitives.ReadUInt32LittleEndian(body[8..]);
        var (name, kind, bridge) = (string.Empty, string.Empty, 0);
        foreach (var attribute in new AttributeReader(body[16..]))
        {
            switch (attribute.Type)
            {
                case 3: // IFLA_IFNAME
                    name = ReadText(attribute.Value);
                    break;
                case 10: // IFLA_MASTER
                    bridge = BinaryPrimitives.ReadInt32LittleEndian(attribute.Value);
                    break;
                case 18: // IFLA_LINKINFO
                    kind = ReadKind(attribute.Value);
                    break;
                default:
                    break;
            }
        }

        table.SetLink(new LinkState(name, index, kind, (linkFlags & 0x8) != 0, (linkFlags & 0x1) != 0) { Master = bridge });
    }

    // struct ndmsg: u8 family, 3 bytes of padding, s32 ifindex, u16 state, u8 flags, u8 type.
    private static void ApplyNeighbour(ushort type, ReadOnlySpan<byte> body, LinkTableBuilder table)
    {
        const ushort permanent = 0x80;
        var index = BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
        var state = BinaryPrimitives.ReadUInt16LittleEndian(body[8..]);
        var (master, mac) = (0, default(ulong?));
        IpAddress? address = null;
        foreach (var attribute in new AttributeReader(body[12..]))
        {
            switch (attribute.Type)
            {
                case 1: // NDA_DST
                    address = ReadAddress(attribute.Value);
                    break;
                case 2 when attribute.Value.Length == 6: // NDA_LLADDR
                    mac = ((ulong)BinaryPrimitives.ReadUInt16BigEndian(attribute.Value) << 32) | BinaryPrimitives.ReadUInt32BigEndian(attribute.Value[2..]);
                    break;
                case 9: // NDA_MASTER
                    master = BinaryPrimitives.ReadInt32LittleEndian(attribute.Value);
                    break;
                default:
                    break;
            }
        }

        // A bridge's permanent entries are the addresses of the ports themselves.
        if (body[0] == FamilyBridge && master != 0 && (state & permanent) == 0 && mac is { } heard)
        {
            table.SetForwarding(master, heard, type == NewNeighbour ? index : 0);
        }
        else if (body[0] is FamilyIPv4 or FamilyIPv6 && address is { } neighbour)
        {
            table.SetNeighbour(index, neighbour, type == NewNeighbour ? mac : null);
        }
    }

    private static void ApplyAddress(ushort type, ReadOnlySpan<byte> body, LinkTableBuilder table)
    {
        var index = BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
        IpAddress? local = null, address = null;
        foreach (var attribute in new AttributeReader(body[8..]))
        {
            switch (attribute.Type)
            {
                case 1: // IFA_ADDRESS: the peer's on point-to-point interfaces
                    address = ReadAddress(attribute.Value);
                    break;
                case 2: // IFA_LOCAL
                    local = ReadAddress(attribute.Value);
                    break;
                default:
                    break;
            }
        }

        if ((local ?? address) is not { } own)
        {
            return;
        }

        if (type == NewAddress)
        {
            table.AddAddress(own, index);
        }
        else
        {
            table.RemoveAddress(own, index);
        }
    }

    private static void ApplyRoute(ushort type, ushort flags, ReadOnlySpan<byte> body, LinkTableBuilder table)
    {
        const byte mainTable = 254;
        const byte unicast = 1;
        const uint cloned = 0x200;
        var (family, length) = (body[0], body[1]);
        var routeFlags = BinaryPrimitives.ReadUInt32LittleEndian(body[8..]);
        var attributes = RouteAttributes.Read(body[12..], body[4]);
        if (family is not (FamilyIPv4 or FamilyIPv6) || attributes.Table != mainTable || (routeFlags & cloned) != 0)
        {
            return;
        }

        var zero = family == FamilyIPv4 ? IpAddress.V4(0) : IpAddress.V6(UInt128.Zero);
        var prefix = new IpPrefix(attributes.Destination ?? zero, length);
        if (type == NewRoute && (flags & Replace) != 0)
        {
            table.RemoveRoutes(prefix, attributes.Metric);
        }

        foreach (var (index, hasGateway) in attributes.Hops)
        {
            var route = new Route(attributes.Metric, index, index != 0 && !hasGateway && body[7] == unicast);
            if (type == NewRoute)
            {
                table.AddRoute(prefix, route);
            }
            else
            {
                table.RemoveRoute(prefix, route);
            }
        }
    }

    private static string ReadKind(ReadOnlySpan<byte> linkInfo)
    {
        foreach (var attribute in new AttributeReader(linkInfo))
        {
            if (attribute.Type == 1) // IFLA_INFO_KIND
            {
                return ReadText(attribute.Value);
            }
        }

        return string.Empty;
    }

    private static string ReadText(ReadOnlySpan<byte> value) => Encoding.UTF8.GetString(value.TrimEnd((byte)0));

    private static IpAddress? ReadAddress(ReadOnlySpan<byte> value) => value.Length switch
    {
        4 => IpAddress.V4(BinaryPrimitives.ReadUInt32BigEndian(value)),
        16 => IpAddress.V6(BinaryPrimitives.ReadUInt128BigEndian(value)),
        _ => null,
    };

    /// <summary>The attributes of a route that matter here.</summary>
    private sealed class RouteAttributes
    {
        private readonly List<(int Index, bool HasGateway)> _multipath = [];
        private int _index;
        private bool _hasGateway;

        public IpAddress? Destination { get; private set; }

        public uint Metric { get; private set; }

        public uint Table { get; private set; }

        public IReadOnlyList<(int Index, bool HasGateway)> Hops => _multipath.Count > 0 ? _multipath : [(_index, _hasGateway)];

        public static RouteAttributes Read(ReadOnlySpan<byte> data, byte table)
        {
            var route = new RouteAttributes { Table = table };
            foreach (var attribute in new AttributeReader(data))
            {
                switch (attribute.Type)
                {
                    case 1: // RTA_DST
                        route.Destination = ReadAddress(attribute.Value);
                        break;
                    case 4: // RTA_OIF
                        route._index = BinaryPrimitives.ReadInt32LittleEndian(attribute.Value);
                        break;
                    case 5 or 18: // RTA_GATEWAY, RTA_VIA
                        route._hasGateway = true;
                        break;
                    case 6: // RTA_PRIORITY
                        route.Metric = BinaryPrimitives.ReadUInt32LittleEndian(attribute.Value);
                        break;
                    case 9: // RTA_MULTIPATH
                        route.ReadHops(attribute.Value);
                        break;
                    case 15: // RTA_TABLE
                        route.Table = BinaryPrimitives.ReadUInt32LittleEndian(attribute.Value);
                        break;
                    default:
                        break;
                }
            }

            return route;
        }

        // struct rtnexthop: u16 length, u8 flags, u8 hops, s32 ifindex, then attributes.
        private void ReadHops(ReadOnlySpan<byte> data)
        {
            while (data.Length >= 8)
            {
                var length = BinaryPrimitives.ReadUInt16LittleEndian(data);
                if (length < 8 || length > data.Length)
                {
                    return;
                }

                var hasGateway = false;
                foreach (var attribute in new AttributeReader(data[8..length]))
                {
                    hasGateway |= attribute.Type is 5 or 18;
                }

                _multipath.Add((BinaryPrimitives.ReadInt32LittleEndian(data[4..]), hasGateway));
                data = data[Math.Min(data.Length, (length + 3) & ~3)..];
            }
        }
    }
}
