using CsCheck;
using Portcullis.Net;

namespace Portcullis.Abstractions.Tests;

public sealed class IpPrefixTests
{
    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/8", false)]
    [InlineData("10.1.2.3/8", "10.0.0.0/8", true)]
    [InlineData("0.0.0.0/0", "0.0.0.0/0", false)]
    [InlineData("10.1.2.3/32", "10.1.2.3/32", false)]
    [InlineData("::/0", "::/0", false)]
    [InlineData("fd00::1/64", "fd00::/64", true)]
    [InlineData("fd00::1/128", "fd00::1/128", false)]
    public void TryParse_Cidr_IsItsNetwork(string text, string network, bool hostBits)
    {
        Assert.True(IpPrefix.TryParse(text, out var prefix, out var hasHostBits));
        Assert.Equal(network, prefix.ToString());
        Assert.Equal(hostBits, hasHostBits);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("10.0.0.0")]
    [InlineData("10.0.0.0/")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/08")]
    [InlineData("10.0.0.0/+8")]
    [InlineData("::/129")]
    [InlineData("10.0/8")]
    [InlineData("/8")]
    public void TryParse_NoCidr_IsRefused(string? text) => Assert.False(IpPrefix.TryParse(text, out _, out _));

    [Fact]
    public void Contains_OtherFamily_IsFalse()
    {
        Assert.False(IpPrefix.Parse("::/0").Contains(IpAddress.Parse("10.0.0.1")));
        Assert.False(IpPrefix.Parse("0.0.0.0/0").Contains(IpAddress.Parse("::1")));
    }

    [Fact]
    public void Contains_FirstAndLast_AreTheBounds() =>
        Gen.Select(Gen.ULong, Gen.ULong, Gen.Int[1, 128]).Sample((high, low, length) =>
        {
            var prefix = new IpPrefix(IpAddress.V6(new UInt128(high, low)), length);
            var before = prefix.Address with { Bits = prefix.Address.Bits - 1 };
            var after = prefix.Last with { Bits = prefix.Last.Bits + 1 };
            return prefix.Contains(prefix.Address) && prefix.Contains(prefix.Last) && !prefix.Contains(before) && !prefix.Contains(after);
        });

    [Fact]
    public void CompareTo_Networks_PutsTheWiderFirst()
    {
        IpPrefix[] sorted = [.. new[] { "10.0.0.0/16", "10.0.0.0/8", "::/0", "9.0.0.0/8" }.Select(IpPrefix.Parse).Order()];

        Assert.Equal(["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16", "::/0"], sorted.Select(prefix => prefix.ToString()));
    }
}
