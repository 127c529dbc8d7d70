using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>A label without which a selector cannot match.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Values">One of these values is needed; null: any will do.</param>
internal sealed record RequiredLabel(string Key, EquatableArray<string>? Values)
{
    /// <summary>The most telling label the selector requires; null when it can match without any.</summary>
    public static RequiredLabel? Of(LabelSelector selector)
    {
        LabelRequirement? best = null;
        foreach (var requirement in selector.Requirements)
        {
            if (requirement.Operator == LabelOperator.In
                && (best is not { Operator: LabelOperator.In } || requirement.Values.Count < best.Values.Count))
            {
                best = requirement;
            }
            else if (requirement.Operator == LabelOperator.Exists && best is null)
            {
                best = requirement;
            }
        }

        return best switch
        {
            null => null,
            { Operator: LabelOperator.In } => new(best.Key, best.Values),
            _ => new(best.Key, null),
        };
    }
}
