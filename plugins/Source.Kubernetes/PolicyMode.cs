namespace Portcullis.Sources.Kubernetes;

/// <summary>Where policies come from.</summary>
public enum PolicyMode
{
    /// <summary>NetworkPolicies and ClusterNetworkPolicies as written; every pod of the cluster is watched to resolve them.</summary>
    Resources,

    /// <summary>PolicyEndpoints of networking.k8s.aws, resolved by the controller of EKS; only the pods of this node are watched.</summary>
    PolicyEndpoints,
}
