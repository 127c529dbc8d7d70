using CsCheck;
using Portcullis.Policy.Compiler;
using Xunit;

namespace Portcullis.Policy.Tests.Compiler;

/// <summary>The compact collections against those of the framework.</summary>
public sealed class CompactCollectionTests
{
    private static readonly string[] Items = [.. Enumerable.Range(0, 20).Select(i => $"item-{i}")];

    // Each step adds the item when it is not there and removes it when it is; enough of them to grow far and shrink to nothing.
    private static readonly Gen<string[]> Steps = Gen.OneOf<string>(Items).Array[0, 100];

    [Fact]
    public void CompactList_AnySteps_HoldsWhatAListHolds() => Steps.Sample(steps =>
    {
        var list = default(CompactList<string>);
        var expected = new List<string>();
        foreach (var item in steps)
        {
            Assert.Equal(expected.Contains(item), list.Contains(item));
            if (expected.Remove(item))
            {
                Assert.True(list.Remove(item));
                Assert.False(list.Remove(item));
            }
            else
            {
                expected.Add(item);
                list.Add(item);
            }

            Assert.Equal(expected.Count, list.Count);
            Assert.Equal(expected.Order(), list.AsSpan().ToArray().Order());
        }
    });

    [Fact]
    public void CompactList_ItemRemovedByIndex_GivesItsPlaceToTheLast()
    {
        var list = default(CompactList<string>);
        list.Add("a");
        list.Add("b");
        list.Add("c");

        list.RemoveAt(0);

        Assert.Equal(["c", "b"], list.AsSpan().ToArray());
    }

    [Fact]
    public void SmallSet_AnySteps_HoldsWhatASetHolds() => Steps.Sample(steps =>
    {
        var set = default(SmallSet<string>);
        var expected = new HashSet<string>();
        foreach (var item in steps)
        {
            if (expected.Remove(item))
            {
                set.Remove(item);
            }
            else
            {
                expected.Add(item);
                set.Add(item);
            }

            var items = new List<string>();
            set.CopyTo(items);
            Assert.Equal(expected.Count, set.Count);
            Assert.Equal(expected.Order(), items.Order());
        }
    });
}
