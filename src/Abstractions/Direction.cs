namespace Portcullis;

/// <summary>The direction of traffic as the workload sees it, whatever hook of the machine sees it.</summary>
public enum Direction
{
    /// <summary>Towards the workload.</summary>
    Ingress = 0,

    /// <summary>From the workload.</summary>
    Egress = 1,
}
