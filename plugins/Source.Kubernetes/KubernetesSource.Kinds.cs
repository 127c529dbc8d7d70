using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Connection;
using Portcullis.Sources.Kubernetes.Informers;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes;

public sealed partial class KubernetesSource
{
    private const string Core = "/api/v1";
    private const string Networking = "networking.k8s.io/v1";
    private const string ClusterNetworking = "policy.networking.k8s.io/v1alpha2";

    private List<IInformer> CreateInformers(ApiServer server, ChangeBoard board)
    {
        var pods = new ObjectTranslator();
        return
        [
            Create(
                new ApiKind<NamespaceObject>("namespaces", Core, ApiJson.Default.ObjectListNamespaceObject, ApiJson.Default.ObjectFrameNamespaceObject),
                ResourceKind.Namespace,
                ObjectTranslator.Translate),
            Create(
                new ApiKind<NodeObject>("nodes", Core, ApiJson.Default.ObjectListNodeObject, ApiJson.Default.ObjectFrameNodeObject),
                ResourceKind.Node,
                ObjectTranslator.Translate),
            Create(
                new ApiKind<ServiceObject>("services", Core, ApiJson.Default.ObjectListServiceObject, ApiJson.Default.ObjectFrameServiceObject),
                ResourceKind.Service,
                ObjectTranslator.Translate),
            Create(
                new ApiKind<Pod>("pods", Core, ApiJson.Default.ObjectListPod, ApiJson.Default.ObjectFramePod),
                ResourceKind.Workload,
                pods.Translate),
            Create(
                Policies("networkpolicies", Networking),
                ResourceKind.NetworkPolicy,
                policy => ObjectTranslator.Translate(policy, Networking, "NetworkPolicy")),
            Create(
                Policies("clusternetworkpolicies", ClusterNetworking) with { IsOptional = true },
                ResourceKind.ClusterNetworkPolicy,
                policy => ObjectTranslator.Translate(policy, ClusterNetworking, "ClusterNetworkPolicy")),
        ];

        IInformer Create<T>(ApiKind<T> kind, ResourceKind resource, Func<T, Translated> translate)
            where T : class, IApiObject =>
            new Informer<T>(kind, new ResourceSet<T>(resource, translate, board), server, board, _time, _logger);
    }

    private static ApiKind<PolicyObject> Policies(string name, string apiVersion) =>
        new(name, $"/apis/{apiVersion}", ApiJson.Default.ObjectListPolicyObject, ApiJson.Default.ObjectFramePolicyObject);
}
