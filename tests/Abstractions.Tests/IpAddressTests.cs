using CsCheck;
using Portcullis.Net;

namespace Portcullis.Abstractions.Tests;

public sealed class IpAddressTests
{
    [Theory]
    [InlineData("10.1.2.3", IpFamily.IPv4)]
    [InlineData("0.0.0.0", IpFamily.IPv4)]
    [InlineData("255.255.255.255", IpFamily.IPv4)]
    [InlineData("::", IpFamily.IPv6)]
    [InlineData("fd00:1::a", IpFamily.IPv6)]
    [InlineData("::ffff:10.1.2.3", IpFamily.IPv6)]
    public void TryParse_Address_RoundTrips(string text, IpFamily family)
    {
        Assert.True(IpAddress.TryParse(text, out var address));
        Assert.Equal(family, address.Family);
        Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("10.1")]
    [InlineData("10.1.2.3.4")]
    [InlineData("010.1.2.3")]
    [InlineData("10.1.2.256")]
    [InlineData("10.1.2.-3")]
    [InlineData(" 10.1.2.3")]
    [InlineData("0x0a.1.2.3")]
    [InlineData("[::1]")]
    [InlineData("[::1]:80")]
    [InlineData("fe80::1%eth0")]
    [InlineData("::1/64")]
    [InlineData("1:2:3")]
    public void TryParse_NoAddress_IsRefused(string? text) => Assert.False(IpAddress.TryParse(text, out _));

    [Fact]
    public void WriteNetworkOrder_Address_IsBigEndian()
    {
        Span<byte> bytes = stackalloc byte[16];

        Assert.Equal(4, IpAddress.Parse("10.1.2.3").WriteNetworkOrder(bytes));
        Assert.Equal([10, 1, 2, 3], bytes[..4].ToArray());
        Assert.Equal(16, IpAddress.Parse("fd00::1").WriteNetworkOrder(bytes));
        Assert.Equal(0xfd, bytes[0]);
        Assert.Equal(1, bytes[15]);
    }

    [Fact]
    public void IPAddress_AnyBits_RoundTrips() =>
        Gen.Select(Gen.ULong, Gen.ULong).Sample((high, low) =>
        {
            var v6 = IpAddress.V6(new UInt128(high, low));
            var v4 = IpAddress.V4((uint)low);
            return IpAddress.From(v6.ToIPAddress()) == v6 && IpAddress.From(v4.ToIPAddress()) == v4;
        });
}
