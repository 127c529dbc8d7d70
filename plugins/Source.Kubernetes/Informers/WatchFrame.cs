using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Portcullis.Sources.Kubernetes.Connection;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes.Informers;

/// <summary>What a frame of a watch tells.</summary>
internal enum FrameType
{
    Added,
    Modified,
    Deleted,
    Bookmark,
}

/// <summary>A frame of a watch.</summary>
internal readonly record struct WatchFrame<T>(FrameType Type, T Object, string Version)
    where T : class, IApiObject
{
    /// <summary>Reads one line of a watch.</summary>
    /// <exception cref="ApiException">The frame is the server's refusal to go on.</exception>
    /// <exception cref="UnreadableException">The frame is not understood.</exception>
    public static WatchFrame<T> Read(ReadOnlySequence<byte> line, JsonTypeInfo<ObjectFrame<T>> json)
    {
        try
        {
            var type = ReadType(line);
            if (type == "ERROR")
            {
                throw Refusal(line);
            }

            var item = Deserialize(line, json)?.Object;
            if (item?.Metadata?.ResourceVersion is not { Length: > 0 } version)
            {
                throw new UnreadableException("a frame holds no object with a version");
            }

            return new WatchFrame<T>(Parse(type), item, version);
        }
        catch (JsonException exception)
        {
            throw new UnreadableException($"a frame is no valid JSON of its kind: {exception.Message}", exception);
        }
    }

    private static FrameType Parse(string? type) => type switch
    {
        "ADDED" => FrameType.Added,
        "MODIFIED" => FrameType.Modified,
        "DELETED" => FrameType.Deleted,
        "BOOKMARK" => FrameType.Bookmark,
        _ => throw new UnreadableException($"a frame has the unknown type '{type}'"),
    };

    private static string? ReadType(ReadOnlySequence<byte> line)
    {
        var reader = new Utf8JsonReader(line);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw new UnreadableException("a frame is no object");
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isType = reader.ValueTextEquals("type"u8);
            reader.Read();
            if (isType && reader.TokenType == JsonTokenType.String)
            {
                return reader.GetString();
            }

            reader.Skip();
        }

        return null;
    }

    private static ApiException Refusal(ReadOnlySequence<byte> line)
    {
        var status = Deserialize(line, ApiJson.Default.ObjectFrameApiStatus)?.Object;
        return new ApiException((System.Net.HttpStatusCode)(status?.Code ?? 0), status?.Message ?? status?.Reason ?? "no reason given") { IsInStream = true };
    }

    private static TValue? Deserialize<TValue>(ReadOnlySequence<byte> line, JsonTypeInfo<TValue> json)
    {
        var reader = new Utf8JsonReader(line);
        return JsonSerializer.Deserialize(ref reader, json);
    }
}
