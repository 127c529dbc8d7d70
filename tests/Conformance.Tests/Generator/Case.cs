namespace Portcullis.Conformance.Generator;

/// <summary>A generated case: a world, then steps that change it, each with the verdict of every flow.</summary>
/// <param name="Group">The folder.</param>
/// <param name="Name">The case's folder, which says what it proves.</param>
/// <param name="Proves">The same as a sentence.</param>
/// <param name="Steps">At least one; the first starts from the generated world.</param>
internal sealed record Case(string Group, string Name, string Proves, params Step[] Steps);

/// <summary>Something that happens, and who may reach whom after it.</summary>
/// <param name="Apply">Manifests to create or update.</param>
/// <param name="Delete">Objects to delete, as <c>Kind namespace/name</c>.</param>
/// <param name="Allowed">The verdict. Flows of a pod to itself are not asked: they always pass.</param>
internal sealed record Step(string[] Apply, string[] Delete, Func<Flow, bool> Allowed)
{
    public Step(string[] apply, Func<Flow, bool> allowed)
        : this(apply, [], allowed)
    {
    }
}

/// <summary>A part of a policy with the YAML that says it and the predicate that means it.</summary>
/// <param name="Name">What it is called in case names.</param>
/// <param name="Yaml">The flow-style YAML; null: the field is absent.</param>
/// <param name="Matches">What it means.</param>
internal sealed record Choice<T>(string Name, string? Yaml, Func<T, bool> Matches);
