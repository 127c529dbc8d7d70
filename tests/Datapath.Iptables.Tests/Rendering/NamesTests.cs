using Portcullis.Datapath.Iptables.Rendering;

namespace Portcullis.Datapath.Iptables.Tests.Rendering;

public sealed class NamesTests
{
    [Fact]
    public void Next_LongestInstanceAndAThousandMillionNames_FitsAChain()
    {
        var names = new Names("abcdefghijklmno");
        names.StepPast(["pcl.abcdefghijklmno.pzzzzzz.4"]);

        Assert.True(names.Next('f').Length <= 28, names.Next('f'));
        Assert.True(PeerSets.NameOf(names.Next('p'), Net.IpFamily.IPv6).Length <= 31);
    }

    [Fact]
    public void Next_AfterWhatAnEarlierProcessLeft_IsNeverReused()
    {
        var names = new Names("a");
        names.StepPast(["pcl.a.p1z.4", "pcl.a.f3", "pcl.a-b.fzzz", "foreign"]);

        Assert.Equal("pcl.a.f20", names.Next('f'));
    }

    [Theory]
    [InlineData("pcl.a.in", true)]
    [InlineData("pcl.a-b.f12", true)]
    [InlineData("pcl.a-b.p12.4", true)]
    [InlineData("pcl.", false)]
    [InlineData("pcl.a", false)]
    [InlineData("xpcl.a.in", false)]
    [InlineData("pcl.UPPER.in", false)]
    public void IsAnyInstance_OnlyWhatAnInstanceWouldMake(string name, bool expected) => Assert.Equal(expected, Names.IsAnyInstance(name));

    [Fact]
    public void IsOwn_InstanceWhoseNameStartsTheSame_IsAnother()
    {
        Assert.True(new Names("a").IsOwn("pcl.a.in"));
        Assert.False(new Names("a").IsOwn("pcl.a-b.in"));
    }
}
