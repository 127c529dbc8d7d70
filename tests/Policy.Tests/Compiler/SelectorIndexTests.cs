using Portcullis.Policy.Compiler;
using Portcullis.Resources;
using Xunit;
using static Portcullis.Policy.Tests.Support.Cluster;

namespace Portcullis.Policy.Tests.Compiler;

public sealed class SelectorIndexTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(300)]
    public void Candidates_AnyLabels_HoldEveryMatchOnce(int count)
    {
        var index = new SelectorIndex<LabelSelector>();
        LabelSelector[] selectors =
        [
            Has("app", "a"), Where("app", LabelOperator.Exists), Where("app", LabelOperator.NotIn, "b"), Where("app", LabelOperator.In, "a", "b", "a"),
            .. Enumerable.Range(0, count).Select(number => Has("number", $"{number}")),
        ];
        foreach (var selector in selectors)
        {
            index.Add(selector, selector);
        }

        foreach (var labels in new[] { LabelSet.Empty, LabelSet.Of(("app", "a")), LabelSet.Of(("app", "b"), ("number", "2")) })
        {
            var candidates = new List<LabelSelector>();
            index.FindCandidates(labels, candidates);
            Assert.Distinct(candidates, ReferenceEqualityComparer.Instance);
            Assert.Empty(selectors.Where(selector => LabelMatching.Matches(selector, labels)).Except(candidates));
            Assert.True(candidates.Count < 12, $"{candidates.Count} candidates are not a selection");
        }

        foreach (var selector in selectors)
        {
            index.Remove(selector, selector);
        }

        Assert.Equal(0, index.Count);
    }

    [Fact]
    public void Canonical_OrderAndRepetition_DoNotCount()
    {
        var left = new LabelSelector([new("b", LabelOperator.In, ["y", "x", "y"]), new("a", LabelOperator.Exists, []), new("a", LabelOperator.Exists, [])]);
        var right = new LabelSelector([new("a", LabelOperator.Exists, []), new("b", LabelOperator.In, ["x", "y"])]);

        Assert.Equal(LabelMatching.Canonical(right), LabelMatching.Canonical(left));
        Assert.NotEqual(LabelMatching.Canonical(left), LabelMatching.Canonical(Has("b", "x")));
    }
}
