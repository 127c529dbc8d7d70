namespace Portcullis.Sources.Kubernetes.Objects;

/// <summary>One page of a list.</summary>
internal sealed record ObjectList<T>
{
    public ListMeta? Metadata { get; init; }

    public List<T>? Items { get; init; }
}

/// <summary>Where a list stands.</summary>
internal sealed record ListMeta
{
    public string? ResourceVersion { get; init; }

    public string? Continue { get; init; }
}

/// <summary>A frame of a watch that carries an object.</summary>
internal sealed record ObjectFrame<T>
{
    public T? Object { get; init; }
}

/// <summary>What the server says when it refuses, also in the middle of a watch.</summary>
internal sealed record ApiStatus
{
    public int Code { get; init; }

    public string? Reason { get; init; }

    public string? Message { get; init; }
}
