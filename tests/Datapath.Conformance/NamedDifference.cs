namespace Portcullis.Datapath.Conformance;

/// <summary>Where a datapath may do otherwise than the suite and the fixtures expect; docs/architecture.md has the reasons under the same names.</summary>
internal enum NamedDifference
{
    /// <summary>None.</summary>
    None,

    /// <summary><c>service-translated</c>: the packet has a cluster IP for its destination. Translated, its verdict is that of the backend.</summary>
    ServiceTranslated,

    /// <summary><c>truncated-ports</c>: of a transport header that is cut only the ports are required.</summary>
    TruncatedPorts,
}
