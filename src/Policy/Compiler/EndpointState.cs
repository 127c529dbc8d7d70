using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>An endpoint with its rules and what was last published of it.</summary>
internal sealed class EndpointState(PodState pod)
{
    public PodState Pod { get; } = pod;

    /// <summary>Whether it waits to be put into the next change set.</summary>
    public bool IsChanged { get; set; }

    public RuleSetEntry? Ingress { get; set; }

    public RuleSetEntry? Egress { get; set; }

    /// <summary>The place among the users of <see cref="Ingress"/>.</summary>
    public int IngressIndex { get; set; }

    /// <summary>The place among the users of <see cref="Egress"/>.</summary>
    public int EgressIndex { get; set; }

    public Endpoint? Published { get; set; }
}
