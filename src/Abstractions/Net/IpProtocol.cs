namespace Portcullis.Net;

/// <summary>The transport protocols a policy can name; the value is the IP protocol number.</summary>
public enum IpProtocol : byte
{
    /// <summary>Transmission Control Protocol.</summary>
    Tcp = 6,

    /// <summary>User Datagram Protocol.</summary>
    Udp = 17,

    /// <summary>Stream Control Transmission Protocol.</summary>
    Sctp = 132,
}
