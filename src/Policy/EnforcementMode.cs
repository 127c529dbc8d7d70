namespace Portcullis.Policy;

/// <summary>What happens to pods that no policy selects, and whether policies are enforced at all.</summary>
public enum EnforcementMode
{
    /// <summary>A pod no policy selects is open.</summary>
    Standard,

    /// <summary>Every known pod is isolated in both directions, as if a policy that denies everything selected it.</summary>
    Strict,

    /// <summary>Every policy only reports.</summary>
    Audit,
}
