using Portcullis.Resources;
using Portcullis.Sources.Kubernetes.Connection;
using Portcullis.Sources.Kubernetes.Informers;
using Portcullis.Sources.Kubernetes.Objects;
using Portcullis.Sources.Kubernetes.PolicyEndpoints;

namespace Portcullis.Sources.Kubernetes;

public sealed partial class KubernetesSource
{
    private const string Core = "/api/v1";
    private const string Discovery = "/apis/discovery.k8s.io/";

    /// <summary>What the controller makes from selectors is known from the pods; what is left belongs to Services without one, and is little.</summary>
    private const string StatedSlices = "endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io";
    private const string Networking = "networking.k8s.io/v1";
    private const string ClusterNetworking = "policy.networking.k8s.io/v1alpha2";

    private const string Resolved = "/apis/networking.k8s.aws/v1alpha1";

    private List<IInformer> CreateInformers(ApiServer server, ChangeBoard board) =>
        _options.Policies == PolicyMode.Resources ? CreateForResources(server, board) : CreateForPolicyEndpoints(server, board);

    private List<IInformer> CreateForResources(ApiServer server, ChangeBoard board)
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
                new ApiKind<EndpointSliceObject>(
                    "endpointslices", Discovery + "v1", ApiJson.Default.ObjectListEndpointSliceObject, ApiJson.Default.ObjectFrameEndpointSliceObject)
                {
                    OtherGroupVersion = Discovery + "v1beta1",
                    LabelSelector = StatedSlices,
                    IsOptional = true,
                },
                ResourceKind.EndpointSlice,
                ObjectTranslator.Translate),
            Create(Pods, ResourceKind.Workload, pods.Translate),
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

    /// <summary>Policies that a controller resolved to addresses: of pods only this node's are needed, and no namespaces, nodes or Services.</summary>
    private List<IInformer> CreateForPolicyEndpoints(ApiServer server, ChangeBoard board)
    {
        var pods = new ObjectTranslator();
        var kind = new ApiKind<PolicyEndpoint>("policyendpoints", Resolved, ApiJson.Default.ObjectListPolicyEndpoint, ApiJson.Default.ObjectFramePolicyEndpoint);
        return
        [
            new Informer<Pod>(
                Pods with { FieldSelector = $"spec.nodeName={_settings.NodeName}" },
                new ResourceSet<Pod>(ResourceKind.Workload, pod => PolicyJoiner.Named(pods.Translate(pod)), board),
                server,
                board,
                _time,
                _logger),
            new Informer<PolicyEndpoint>(
                kind,
                new PolicyEndpointSet(
                    PolicyJoiner.Join, policy => new ResourceKey(ResourceKind.NetworkPolicy, policy.Namespace ?? string.Empty, policy.Name!), board),
                server,
                board,
                _time,
                _logger),
            new Informer<PolicyEndpoint>(
                kind with { Name = "clusterpolicyendpoints", IsOptional = true },
                new PolicyEndpointSet(
                    PolicyJoiner.JoinCluster, policy => new ResourceKey(ResourceKind.ClusterNetworkPolicy, string.Empty, policy.Name!), board),
                server,
                board,
                _time,
                _logger),
        ];
    }

    private static ApiKind<Pod> Pods => new("pods", Core, ApiJson.Default.ObjectListPod, ApiJson.Default.ObjectFramePod);

    private static ApiKind<PolicyObject> Policies(string name, string apiVersion) =>
        new(name, $"/apis/{apiVersion}", ApiJson.Default.ObjectListPolicyObject, ApiJson.Default.ObjectFramePolicyObject);
}
