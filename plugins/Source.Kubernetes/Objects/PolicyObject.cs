using System.Text.Json;
using System.Text.Json.Serialization;

namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>A NetworkPolicy or ClusterNetworkPolicy: its text, which the reader of manifests understands, and its metadata.</summary>
[JsonConverter(typeof(PolicyObjectConverter))]
internal sealed record PolicyObject(ObjectMeta? Metadata, JsonElement Json) : IApiObject;

internal sealed class PolicyObjectConverter : JsonConverter<PolicyObject>
{
    public override PolicyObject Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var json = JsonElement.ParseValue(ref reader);
        var metadata = json.ValueKind == JsonValueKind.Object && json.TryGetProperty("metadata", out var node)
            ? node.Deserialize(ApiJson.Default.ObjectMeta)
            : null;
        return new PolicyObject(metadata, json);
    }

    public override void Write(Utf8JsonWriter writer, PolicyObject value, JsonSerializerOptions options) => value.Json.WriteTo(writer);
}
