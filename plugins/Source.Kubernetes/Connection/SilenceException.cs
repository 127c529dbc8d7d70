namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>Nothing came from the server for too long.</summary>
internal sealed class SilenceException() : Exception("nothing came from the server for too long");
