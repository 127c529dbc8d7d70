namespace Portcullis.Benchmarks.Running;

/// <summary>A group of measurements that can be asked for by name.</summary>
internal interface ISuite
{
    /// <summary>Its name.</summary>
    string Name { get; }

    /// <summary>One line about it.</summary>
    string Description { get; }

    /// <summary>Measures.</summary>
    /// <param name="recorder">Takes the figures.</param>
    /// <param name="folder">For further files.</param>
    /// <param name="cancellationToken">The run is interrupted.</param>
    Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken);
}
