using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Portcullis.Net;

/// <summary>An IPv4 or IPv6 address as a value. Scope identifiers are not part of it.</summary>
/// <param name="Family">The IP version. An IPv4-mapped IPv6 address is an IPv6 address here.</param>
/// <param name="Bits">The address as a number, host order; for IPv4 in the low 32 bits.</param>
public readonly record struct IpAddress(IpFamily Family, UInt128 Bits) : IComparable<IpAddress>
{
    /// <summary>The number of bits of an address of this family: 32 or 128.</summary>
    public int Width => Family == IpFamily.IPv4 ? 32 : 128;

    /// <summary>The IPv4 address with this host-order value.</summary>
    public static IpAddress V4(uint bits) => new(IpFamily.IPv4, bits);

    /// <summary>The IPv6 address with this host-order value.</summary>
    public static IpAddress V6(UInt128 bits) => new(IpFamily.IPv6, bits);

    /// <summary>Reads an address as Kubernetes does: four decimal numbers without leading zeros, or IPv6 text without a scope.</summary>
    /// <exception cref="FormatException">The text is not such an address.</exception>
    public static IpAddress Parse(string text) =>
        TryParse(text, out var address) ? address : throw new FormatException($"'{text}' is not an IP address");

    /// <summary>As <see cref="Parse"/>, telling instead of throwing.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out IpAddress address)
    {
        address = default;
        if (text is null || text.Length > 45)
        {
            return false;
        }

        if (!text.Contains(':', StringComparison.Ordinal))
        {
            return TryParseV4(text, out address);
        }

        // IPAddress also takes "[::1]:80", "fe80::1%eth0" and "::1/64"; none of them is an address here.
        if (text.AsSpan().IndexOfAny("[]%/") >= 0 || !IPAddress.TryParse(text, out var parsed))
        {
            return false;
        }

        address = From(parsed);
        return true;
    }

    /// <summary>Converts from the framework's type; the scope is dropped.</summary>
    public static IpAddress From(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        return address.AddressFamily == AddressFamily.InterNetwork
            ? V4(BinaryPrimitives.ReadUInt32BigEndian(bytes))
            : V6(BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }

    /// <summary>Converts to the framework's type.</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        return new IPAddress(bytes[..WriteNetworkOrder(bytes)]);
    }

    /// <summary>Writes the address in network order and returns its length in bytes, 4 or 16.</summary>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public int WriteNetworkOrder(Span<byte> destination)
    {
        if (Family == IpFamily.IPv4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)Bits);
            return 4;
        }

        BinaryPrimitives.WriteUInt128BigEndian(destination, Bits);
        return 16;
    }

    /// <summary>Orders IPv4 before IPv6, then by value.</summary>
    public int CompareTo(IpAddress other) => Family != other.Family ? Family.CompareTo(other.Family) : Bits.CompareTo(other.Bits);

    /// <summary>The usual text; IPv6 compressed and in lower case.</summary>
    public override string ToString() => ToIPAddress().ToString();

    private static bool TryParseV4(string text, out IpAddress address)
    {
        address = default;
        uint bits = 0;
        var parts = 0;
        foreach (var range in text.AsSpan().Split('.'))
        {
            var part = text.AsSpan(range);
            if (++parts > 4
                || (part.Length > 1 && part[0] == '0')
                || !byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            {
                return false;
            }

            bits = (bits << 8) | value;
        }

        address = V4(bits);
        return parts == 4;
    }
}
