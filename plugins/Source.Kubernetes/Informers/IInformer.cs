namespace Portcullis.Sources.Kubernetes.Informers;

/// <summary>Keeps the objects of one kind current.</summary>
internal interface IInformer
{
    /// <summary>The kind's plural.</summary>
    string Kind { get; }

    /// <summary>Runs until cancelled.</summary>
    Task RunAsync(CancellationToken cancellationToken);
}
