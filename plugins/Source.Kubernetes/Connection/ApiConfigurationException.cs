namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>It is not known where the API server is, or how to authenticate.</summary>
internal sealed class ApiConfigurationException(string message, Exception? inner = null) : Exception(message, inner);
