namespace Portcullis.Resources;

/// <summary>How a <see cref="LabelRequirement"/> compares (meta/v1 LabelSelectorOperator).</summary>
public enum LabelOperator
{
    /// <summary>The label is present with one of the values.</summary>
    In,

    /// <summary>The label is absent, or present with none of the values.</summary>
    NotIn,

    /// <summary>The label is present.</summary>
    Exists,

    /// <summary>The label is absent.</summary>
    DoesNotExist,
}

/// <summary>One condition of a <see cref="LabelSelector"/>.</summary>
/// <param name="Key">The label's key.</param>
/// <param name="Operator">How to compare.</param>
/// <param name="Values">The values of In and NotIn; empty otherwise.</param>
public sealed record LabelRequirement(string Key, LabelOperator Operator, EquatableArray<string> Values);

/// <summary>Selects objects whose labels meet every requirement; without requirements, every object.</summary>
/// <remarks>
/// <c>matchLabels</c> entries are In requirements with one value, as upstream defines them. A selector that is absent
/// is a null reference, never this type: what absence means depends on the field.
/// </remarks>
/// <param name="Requirements">The requirements, in the author's order.</param>
public sealed record LabelSelector(EquatableArray<LabelRequirement> Requirements)
{
    /// <summary>Selects every object.</summary>
    public static readonly LabelSelector Everything = new([]);
}
