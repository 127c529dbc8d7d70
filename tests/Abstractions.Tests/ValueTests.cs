using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Abstractions.Tests;

public sealed class ValueTests
{
    [Fact]
    public void Workload_EqualContent_IsEqual()
    {
        Assert.Equal(Web("10.0.0.1"), Web("10.0.0.1"));
        Assert.Equal(Web("10.0.0.1").GetHashCode(), Web("10.0.0.1").GetHashCode());
        Assert.NotEqual(Web("10.0.0.1"), Web("10.0.0.2"));
    }

    [Fact]
    public void LabelSet_Order_DoesNotMatter()
    {
        Assert.Equal(LabelSet.Of(("a", "1"), ("b", "2")), LabelSet.Of(("b", "2"), ("a", "1")));
        Assert.NotEqual(LabelSet.Of(("a", "1")), LabelSet.Of(("a", "2")));
    }

    [Fact]
    public void LabelSet_EveryKey_IsFound()
    {
        var labels = LabelSet.From(Enumerable.Range(0, 20).Select(i => KeyValuePair.Create($"k{i}", $"v{i}")));

        for (var i = 0; i < 20; i++)
        {
            Assert.True(labels.TryGetValue($"k{i}", out var value));
            Assert.Equal($"v{i}", value);
        }

        Assert.False(labels.TryGetValue("k", out _));
        Assert.False(labels.TryGetValue("z", out _));
    }

    [Fact]
    public void LabelSet_SameKeyTwice_KeepsTheLast()
    {
        Assert.Equal("2", LabelSet.Of(("a", "1")).With("a", "2").Single().Value);
    }

    [Fact]
    public void EquatableArray_Default_IsEmpty()
    {
        EquatableArray<int> none = default;

        Assert.True(none.IsEmpty);
        Assert.Equal([], none);
        Assert.Equal(none.GetHashCode(), new EquatableArray<int>([]).GetHashCode());
    }

    [Theory]
    [InlineData(null, 0, 0, "")]
    [InlineData("a.yaml", 0, 0, "a.yaml")]
    [InlineData("a.yaml", 3, 0, "a.yaml:3")]
    [InlineData("a.yaml", 3, 7, "a.yaml:3:7")]
    public void SourcePosition_Parts_AreWrittenAsFarAsKnown(string? file, int line, int column, string text) =>
        Assert.Equal(text, new SourcePosition(file, line, column).ToString());

    [Fact]
    public void Finding_Text_NamesPlaceSeverityAndObject() =>
        Assert.Equal(
            "a.yaml:3: error: NetworkPolicy default/x: wrong",
            new Finding(FindingSeverity.Error, new SourcePosition("a.yaml", 3), "NetworkPolicy default/x", "wrong").ToString());

    private static Workload Web(string address) => new()
    {
        Namespace = "default",
        Name = "web",
        Labels = LabelSet.Of(("app", "web")),
        Addresses = [IpAddress.Parse(address)],
        Ports = [new NamedPort("http", IpProtocol.Tcp, 80)],
    };
}
