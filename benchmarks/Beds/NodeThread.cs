using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Portcullis.Host.Native;

namespace Portcullis.Benchmarks.Beds;

/// <summary>A thread that stays in a network namespace: starting one for each change would be part of what the change costs.</summary>
internal sealed class NodeThread : IDisposable
{
    private readonly BlockingCollection<Action> _requests = [];

    public NodeThread(NetworkNamespace network)
    {
        var thread = new Thread(() => Work(network)) { IsBackground = true, Name = network.Name };
        thread.Start();
    }

    /// <summary>Runs a function there and waits for it.</summary>
    public T Run<T>(Func<T> function)
    {
        T? result = default;
        ExceptionDispatchInfo? failure = null;
        using var done = new ManualResetEventSlim();
        _requests.Add(() =>
        {
            try
            {
                result = function();
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }

            done.Set();
        });
        done.Wait();
        failure?.Throw();
        return result!;
    }

    public void Dispose() => _requests.CompleteAdding();

    private void Work(NetworkNamespace network)
    {
        network.Enter();
        foreach (var request in _requests.GetConsumingEnumerable())
        {
            request();
        }
    }
}
