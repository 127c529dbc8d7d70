using Portcullis.Net;
using Portcullis.Policy.Tests.Support;
using Portcullis.Resources;
using Xunit;
using static Portcullis.Policy.Tests.Support.Cluster;

namespace Portcullis.Policy.Tests.Semantics;

/// <summary>Overlapping blocks with holes and ports, which are exact here however they nest.</summary>
public sealed class ExactCidrTests
{
    private const string Client = "192.168.0.1";

    [Fact]
    public void WorldOnPort53_AndWorldExceptTen_AllowsTenOn53()
    {
        var cluster = With(Allow([Block("0.0.0.0/0")], Port(53)), Allow([Block("0.0.0.0/0", "10.0.0.0/8")]));

        Assert.True(cluster.Passes(Client, "10.9.9.9", 53));
        Assert.False(cluster.Passes(Client, "10.9.9.9", 54));
        Assert.True(cluster.Passes(Client, "11.9.9.9", 54));
    }

    [Fact]
    public void WideOn80_AndNarrowWithHoleOn443_KeepApart()
    {
        var cluster = With(Allow([Block("10.0.0.0/7")], Port(80)), Allow([Block("10.0.0.0/8", "10.1.0.0/16")], Port(443)));

        Assert.True(cluster.Passes(Client, "10.1.2.3", 80));
        Assert.False(cluster.Passes(Client, "10.1.2.3", 443));
        Assert.True(cluster.Passes(Client, "10.2.2.3", 443));
        Assert.True(cluster.Passes(Client, "11.1.2.3", 80));
    }

    [Fact]
    public void ThreeNestedBlocks_HoleInTheWidest_LeavesTheOthers()
    {
        var cluster = With(
            Allow([Block("10.0.0.0/8", "10.1.2.0/24")], Port(80)), Allow([Block("10.1.0.0/16")], Port(443)), Allow([Block("10.1.2.5/32")], Port(22)));

        Assert.False(cluster.Passes(Client, "10.1.2.5", 80));
        Assert.True(cluster.Passes(Client, "10.1.2.5", 443));
        Assert.True(cluster.Passes(Client, "10.1.2.5", 22));
        Assert.False(cluster.Passes(Client, "10.1.2.5", 23));
        Assert.True(cluster.Passes(Client, "10.1.3.5", 80));
    }

    [Fact]
    public void ThirtyPorts_ForOnePeer_AllHold()
    {
        var ports = Enumerable.Range(0, 30).Select(index => Port(1000 + (2 * index))).ToArray();
        var cluster = With(Allow([Block("10.0.0.0/8")], ports));

        for (var port = 1000; port < 1060; port++)
        {
            Assert.Equal(port % 2 == 0, cluster.Passes(Client, "10.0.0.1", port));
        }
    }

    [Fact]
    public void ExceptOfTheOtherFamily_InAnIpv4World_HarmsNothing()
    {
        var cluster = With(Allow([Block("10.0.0.0/8", "fd00::/8")]), Allow([Block("fd00::/8")], Port(80)));

        Assert.True(cluster.Passes(Client, "10.0.0.1"));
        Assert.False(cluster.Passes(Client, "11.0.0.1"));
    }

    private static Cluster With(params NetworkPolicyRule[] rules) =>
        new(Pod("client", Client), Egress("p", LabelSelector.Everything, rules));
}
