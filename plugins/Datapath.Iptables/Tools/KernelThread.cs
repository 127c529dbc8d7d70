using System.Collections.Concurrent;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>
/// The one thread that starts programs and opens sockets, in the order of requests. It stays in the network namespace of
/// the thread that made it, and so do the programs it starts.
/// </summary>
internal sealed class KernelThread : IAsyncDisposable
{
    private readonly BlockingCollection<Action> _requests = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Starts the thread.</summary>
    public KernelThread(string name)
    {
        var thread = new Thread(Work) { IsBackground = true, Name = name };
        thread.Start();
    }

    /// <summary>Runs <paramref name="function"/> after all earlier requests.</summary>
    /// <exception cref="OperationCanceledException">Cancelled before it began.</exception>
    /// <exception cref="ObjectDisposedException">The thread has ended.</exception>
    public Task<T> RunAsync<T>(Func<T> function, CancellationToken cancellationToken)
    {
        var completion = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Request()
        {
            if (cancellationToken.IsCancellationRequested)
            {
                completion.SetCanceled(cancellationToken);
                return;
            }

            try
            {
                completion.SetResult(function());
            }
            catch (Exception exception)
            {
                completion.SetException(exception);
            }
        }

        try
        {
            _requests.Add(Request, CancellationToken.None);
        }
        catch (InvalidOperationException exception)
        {
            throw new ObjectDisposedException(nameof(KernelThread), exception);
        }

        return completion.Task;
    }

    /// <summary>Ends the thread after all earlier requests.</summary>
    public async ValueTask DisposeAsync()
    {
        _requests.CompleteAdding();
        await _ended.Task;
        _requests.Dispose();
    }

    private void Work()
    {
        foreach (var request in _requests.GetConsumingEnumerable())
        {
            request();
        }

        _ended.SetResult();
    }
}
