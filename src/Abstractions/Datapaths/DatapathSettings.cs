namespace Portcullis.Datapaths;

/// <summary>What a policy change does to connections that are already established.</summary>
public enum EstablishedConnections
{
    /// <summary>They are judged by the new policy at once.</summary>
    Enforce,

    /// <summary>They are left alone until they end.</summary>
    Keep,
}

/// <summary>What every datapath is told by the configuration. The host registers it before plugins are built.</summary>
/// <param name="Instance">
/// Part of every name put into the kernel (pin paths, chains, sets), so that instances do not meet: 1 to 15 characters
/// of <c>a-z 0-9 -</c>.
/// </param>
/// <param name="Established">What a policy change does to established connections.</param>
/// <param name="AllowSpoofing">Whether workloads may send from addresses that are not theirs.</param>
public sealed record DatapathSettings(string Instance, EstablishedConnections Established, bool AllowSpoofing);

/// <summary>Whether a datapath can run on this machine.</summary>
/// <param name="IsSupported">Whether it can.</param>
/// <param name="Reason">One line: what was found, or what is missing and what to do about it.</param>
public sealed record DatapathSupport(bool IsSupported, string Reason);

/// <summary>The outcome of an apply that succeeded.</summary>
/// <param name="Problems">Everything that is not enforced as asked at this revision, with the closed form it has instead.</param>
public sealed record ApplyResult(IReadOnlyList<Finding> Problems)
{
    /// <summary>Everything is enforced as asked.</summary>
    public static readonly ApplyResult Complete = new([]);
}
