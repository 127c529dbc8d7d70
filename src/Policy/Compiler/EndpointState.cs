using Portcullis.Rules;

namespace Portcullis.Policy.Compiler;

/// <summary>An endpoint with its rules and what was last published of it.</summary>
internal sealed class EndpointState
{
    public RuleSetEntry? Ingress { get; set; }

    public RuleSetEntry? Egress { get; set; }

    /// <summary>By direction, the place among the users of its rule set.</summary>
    public int[] UserIndex { get; } = new int[2];

    public Endpoint? Published { get; set; }
}
