using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>Label selectors as the compiler sees them: canonical, so that equal ones are found equal, and matched.</summary>
internal static class LabelMatching
{
    /// <summary>Whether the labels meet every requirement.</summary>
    public static bool Matches(LabelSelector selector, LabelSet labels)
    {
        foreach (var requirement in selector.Requirements.AsSpan())
        {
            if (!Meets(requirement, labels))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The selector with requirements and values in order and without repetition.</summary>
    public static LabelSelector Canonical(LabelSelector selector)
    {
        var requirements = selector.Requirements;
        return requirements.Count == 0 || (requirements.Count == 1 && requirements[0].Values.Count < 2)
            ? selector
            : new LabelSelector(
                requirements
                    .Select(requirement => requirement with { Values = requirement.Values.Distinct().Order(StringComparer.Ordinal).ToEquatableArray() })
                    .Distinct()
                    .OrderBy(requirement => requirement.Key, StringComparer.Ordinal)
                    .ThenBy(requirement => requirement.Operator)
                    .ThenBy(requirement => string.Join(',', requirement.Values), StringComparer.Ordinal)
                    .ToEquatableArray());
    }

    /// <summary>The selector for people, as kubectl prints it.</summary>
    public static string Describe(LabelSelector selector) => selector.Requirements.Count == 1
        ? Describe(selector.Requirements[0])
        : string.Join(',', selector.Requirements.Select(Describe));

    private static string Describe(LabelRequirement requirement) => requirement.Operator switch
    {
        LabelOperator.Exists => requirement.Key,
        LabelOperator.DoesNotExist => "!" + requirement.Key,
        LabelOperator.In when requirement.Values.Count == 1 => $"{requirement.Key}={requirement.Values[0]}",
        LabelOperator.In => $"{requirement.Key} in ({string.Join(',', requirement.Values)})",
        _ => $"{requirement.Key} notin ({string.Join(',', requirement.Values)})",
    };

    private static bool Meets(LabelRequirement requirement, LabelSet labels)
    {
        var present = labels.TryGetValue(requirement.Key, out var value);
        return requirement.Operator switch
        {
            LabelOperator.Exists => present,
            LabelOperator.DoesNotExist => !present,
            LabelOperator.In => present && requirement.Values.AsSpan().Contains(value!),
            _ => !present || !requirement.Values.AsSpan().Contains(value!),
        };
    }
}
