using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Portcullis.Net;

/// <summary>An IP network in CIDR form. Host bits are always zero.</summary>
public readonly record struct IpPrefix : IComparable<IpPrefix>
{
    /// <summary>The network that <paramref name="address"/> lies in.</summary>
    /// <param name="address">Any address of the network; bits behind <paramref name="length"/> are cleared.</param>
    /// <param name="length">0 to 32 for IPv4, 0 to 128 for IPv6.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is out of range.</exception>
    public IpPrefix(IpAddress address, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, address.Width);
        Length = (byte)length;
        Address = address with { Bits = address.Bits & Mask(address.Width, length) };
    }

    /// <summary>The network's first address.</summary>
    public IpAddress Address { get; }

    /// <summary>The number of leading bits that are fixed.</summary>
    public byte Length { get; }

    /// <summary>The IP version.</summary>
    public IpFamily Family => Address.Family;

    /// <summary>The network's last address.</summary>
    public IpAddress Last => Address with { Bits = Address.Bits | (Mask(Address.Width, Address.Width) ^ Mask(Address.Width, Length)) };

    /// <summary>Whether the network is one address.</summary>
    public bool IsHost => Length == Address.Width;

    /// <summary>The network of one address.</summary>
    public static IpPrefix Host(IpAddress address) => new(address, address.Width);

    /// <summary>Reads CIDR notation; host bits are cleared.</summary>
    /// <exception cref="FormatException">The text is not CIDR notation.</exception>
    public static IpPrefix Parse(string text) =>
        TryParse(text, out var prefix, out _) ? prefix : throw new FormatException($"'{text}' is not a CIDR");

    /// <summary>As <see cref="Parse"/>, telling instead of throwing.</summary>
    /// <param name="text">The text, for example <c>10.0.0.0/8</c>.</param>
    /// <param name="prefix">The network.</param>
    /// <param name="hasHostBits">Whether the text names an address inside the network rather than the network itself.</param>
    public static bool TryParse([NotNullWhen(true)] string? text, out IpPrefix prefix, out bool hasHostBits)
    {
        prefix = default;
        hasHostBits = false;
        var slash = text?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        if (slash < 0 || !IpAddress.TryParse(text![..slash], out var address))
        {
            return false;
        }

        var digits = text.AsSpan(slash + 1);
        if ((digits.Length > 1 && digits[0] == '0')
            || !byte.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            || length > address.Width)
        {
            return false;
        }

        prefix = new IpPrefix(address, length);
        hasHostBits = prefix.Address != address;
        return true;
    }

    /// <summary>Whether <paramref name="address"/> lies in this network. Never true across families.</summary>
    public bool Contains(IpAddress address) =>
        address.Family == Family && (address.Bits & Mask(Address.Width, Length)) == Address.Bits;

    /// <summary>Whether <paramref name="other"/> is this network or a part of it. Never true across families.</summary>
    public bool Contains(IpPrefix other) => other.Length >= Length && Contains(other.Address);

    /// <summary>Orders by first address, then the wider network first; so a network precedes its parts.</summary>
    public int CompareTo(IpPrefix other)
    {
        var byAddress = Address.CompareTo(other.Address);
        return byAddress != 0 ? byAddress : Length.CompareTo(other.Length);
    }

    /// <summary>CIDR notation.</summary>
    public override string ToString() => $"{Address}/{Length}";

    private static UInt128 Mask(int width, int length) =>
        width == 32
            ? (length == 0 ? UInt128.Zero : uint.MaxValue << (32 - length))
            : (length == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - length));
}
