namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>The server sent something that is not understood, so that a change may be lost.</summary>
internal sealed class UnreadableException(string message, Exception? inner = null) : Exception(message, inner);
