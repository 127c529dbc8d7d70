namespace Portcullis.Net;

/// <summary>The IP version; the value is the number in the IP header.</summary>
public enum IpFamily : byte
{
    /// <summary>Internet Protocol version 4.</summary>
    IPv4 = 4,

    /// <summary>Internet Protocol version 6.</summary>
    IPv6 = 6,
}
