using Portcullis.Datapath.Iptables.Rendering;

namespace Portcullis.Datapath.Iptables.Tests.Rendering;

public sealed class NamesTests
{
    [Fact]
    public void Next_LongestInstanceAndAThousandMillionNames_FitsAChain()
    {
        var names = new Names("abcdefghijklmno");
        names.StepPast(["pcl.abcdefghijklmno.p-zzzzzy.4"]);

        Assert.True(names.Next('f').Length <= 28, names.Next('f'));
        Assert.True(PeerSets.NameOf(names.Next('p'), Net.IpFamily.IPv6).Length <= 31);
    }

    [Fact]
    public void Next_AfterWhatAnEarlierProcessLeft_IsNeverReused()
    {
        var names = new Names("a");
        names.StepPast(["pcl.a.p-1z.4", "pcl.a.f-3", "pcl.a.out6", "pcl.a-b.f-zzz", "foreign"]);

        Assert.Equal("pcl.a.f-20", names.Next('f'));
    }

    [Fact]
    public void Next_EveryKindAndManyNames_NeverMeetsAFixedName()
    {
        var names = new Names("a");
        var made = Enumerable.Range(0, 50000).SelectMany(_ => "ios".Select(names.Next)).ToHashSet();

        Assert.All(["in", "inr", "in6", "out", "outr", "out6", "src", .. Verdicts.All.Select(fate => fate.Code)], name => Assert.DoesNotContain(names.Fixed(name), made));
    }

    [Theory]
    [InlineData("pcl.a.in", true)]
    [InlineData("pcl.a-b.f-12", true)]
    [InlineData("pcl.a-b.p-12.4", true)]
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
