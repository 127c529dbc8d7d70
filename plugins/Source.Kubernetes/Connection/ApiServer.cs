namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>The way to the API server; made anew after a failure, from the files as they are then. Thread-safe.</summary>
internal sealed class ApiServer(KubernetesSourceOptions options, TimeProvider time) : IDisposable
{
    private readonly Lock _lock = new();
    private ApiConnection? _connection;
    private bool _disposed;

    /// <summary>What the credentials were read from.</summary>
    public string Origin => options.Kubeconfig.Length > 0 ? $"kubeconfig {options.Kubeconfig}" : "the ServiceAccount of this pod";

    /// <summary>The connection in use.</summary>
    /// <exception cref="ApiConfigurationException">It is not known where the server is.</exception>
    public ApiConnection Connect()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _connection ??= new ApiConnection(ApiConfiguration.Read(options.Kubeconfig), time);
        }
    }

    /// <summary>Gives up a connection that failed, so that the next one is made of files that may have been replaced.</summary>
    public void Abandon(ApiConnection failed)
    {
        lock (_lock)
        {
            if (ReferenceEquals(_connection, failed))
            {
                _connection = null;
                failed.Dispose();
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _connection?.Dispose();
            _connection = null;
        }
    }
}
