using CsCheck;
using Portcullis.Net;
using Portcullis.Policy.Compiler;
using Xunit;

namespace Portcullis.Policy.Tests.Compiler;

public sealed class PrefixMathTests
{
    // Few bits, so that prefixes nest and touch all the time.
    private static readonly Gen<IpPrefix> Prefix =
        Gen.Select(Gen.UInt[0, 255], Gen.Int[24, 32], (bits, length) => new IpPrefix(IpAddress.V4(0x0a000000 | bits), length));

    [Fact]
    public void Subtract_AnyHoles_LeavesExactlyTheRest() =>
        Gen.Select(Prefix, Prefix.Array[0, 5]).Sample(
            (block, holes) => Check(
                PrefixMath.Subtract(block, holes), address => block.Contains(address) && !Array.Exists(holes, hole => hole.Contains(address))),
            iter: 2000,
            threads: 1);

    [Fact]
    public void Union_AnyPrefixes_IsExactAndDisjoint() =>
        Prefix.Array[0, 6].Sample(
            prefixes =>
            {
                var union = PrefixMath.Union(prefixes);
                Check([.. union], address => Array.Exists(prefixes, prefix => prefix.Contains(address)));
                Assert.Equal(union, PrefixMath.Union(union.SelectMany(prefix => PrefixMath.Subtract(prefix, [IpPrefix.Host(prefix.Last)])).Concat(union.Select(prefix => IpPrefix.Host(prefix.Last)))));
            },
            iter: 2000,
            threads: 1);

    [Fact]
    public void Subtract_OtherFamily_ChangesNothing() =>
        Assert.Equal([IpPrefix.Parse("10.0.0.0/8")], PrefixMath.Subtract(IpPrefix.Parse("10.0.0.0/8"), [IpPrefix.Parse("::/0")]));

    [Fact]
    public void Subtract_OneIpv6Address_NeedsOnePrefixEachBit() =>
        Assert.Equal(128, PrefixMath.Subtract(IpPrefix.Parse("::/0"), [IpPrefix.Parse("fd00::1/128")]).Count);

    private static void Check(List<IpPrefix> result, Func<IpAddress, bool> expected)
    {
        for (uint bits = 0; bits < 256; bits++)
        {
            var address = IpAddress.V4(0x0a000000 | bits);
            Assert.Equal(expected(address) ? 1 : 0, result.Count(prefix => prefix.Contains(address)));
        }
    }
}
