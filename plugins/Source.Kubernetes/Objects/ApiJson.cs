using System.Text.Json.Serialization;

namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>Reads objects of the API. What is not declared is skipped without being kept.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ObjectMeta))]
[JsonSerializable(typeof(ApiStatus))]
[JsonSerializable(typeof(ObjectFrame<ApiStatus>))]
[JsonSerializable(typeof(ObjectList<Pod>))]
[JsonSerializable(typeof(ObjectFrame<Pod>))]
[JsonSerializable(typeof(ObjectList<NamespaceObject>))]
[JsonSerializable(typeof(ObjectFrame<NamespaceObject>))]
[JsonSerializable(typeof(ObjectList<NodeObject>))]
[JsonSerializable(typeof(ObjectFrame<NodeObject>))]
[JsonSerializable(typeof(ObjectList<ServiceObject>))]
[JsonSerializable(typeof(ObjectFrame<ServiceObject>))]
[JsonSerializable(typeof(ObjectList<EndpointSliceObject>))]
[JsonSerializable(typeof(ObjectFrame<EndpointSliceObject>))]
[JsonSerializable(typeof(ObjectList<PolicyObject>))]
[JsonSerializable(typeof(ObjectFrame<PolicyObject>))]
[JsonSerializable(typeof(ObjectList<PolicyEndpoint>))]
[JsonSerializable(typeof(ObjectFrame<PolicyEndpoint>))]
internal sealed partial class ApiJson : JsonSerializerContext;
