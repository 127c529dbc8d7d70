using Portcullis.Benchmarks.Running;

namespace Portcullis.Benchmarks.Compile;

/// <summary>What changes of Services cost, without a kernel.</summary>
internal sealed class ServiceSuite : ISuite
{
    public string Name => "services";

    public string Description => "changes of Services, backends and nodes in a cluster of 5,000 Services";

    public Task RunAsync(Recorder recorder, string folder, CancellationToken cancellationToken)
    {
        new ServiceScenario(recorder).Run(namespaces: 5_000, endpoints: 100);
        return Task.CompletedTask;
    }
}
