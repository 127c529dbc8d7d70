using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Portcullis.Datapaths;

namespace Portcullis.Host.Api;

/// <summary>
/// Hands the datapath's verdict events to everybody who follows them. The datapath is asked only while somebody does, so that
/// without followers flows cost nothing.
/// </summary>
internal sealed partial class FlowHub(Func<IDatapath> datapath, ILogger<FlowHub> logger) : IDisposable
{
    /// <summary>Events a slow follower may be behind before it loses some.</summary>
    private const int Backlog = 4096;

    private readonly Lock _lock = new();
    private ImmutableArray<Channel<FlowEvent>> _followers = [];
    private CancellationTokenSource? _reading;
    private long _lost;

    /// <summary>Events that followers lost because they were slow.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Yields events from now on until cancelled.</summary>
    public async IAsyncEnumerable<FlowEvent> FollowAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var channel = Channel.CreateBounded<FlowEvent>(
            new BoundedChannelOptions(Backlog) { FullMode = BoundedChannelFullMode.DropNewest },
            _ => Interlocked.Increment(ref _lost));
        Join(channel);
        try
        {
            await foreach (var flow in channel.Reader.ReadAllAsync(cancellationToken))
            {
                yield return flow;
            }
        }
        finally
        {
            Leave(channel);
        }
    }

    /// <summary>Reads from the datapath that is in use now, if anybody follows.</summary>
    public void ReadAnew()
    {
        lock (_lock)
        {
            if (_reading is not null)
            {
                StopReading();
                StartReading();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            StopReading();
        }
    }

    private void Join(Channel<FlowEvent> channel)
    {
        lock (_lock)
        {
            _followers = _followers.Add(channel);
            if (_reading is null)
            {
                StartReading();
            }
        }
    }

    private void StartReading()
    {
        _reading = new CancellationTokenSource();
        _ = ReadAsync(_reading.Token);
    }

    private void Leave(Channel<FlowEvent> channel)
    {
        lock (_lock)
        {
            _followers = _followers.Remove(channel);
            if (_followers.IsEmpty)
            {
                StopReading();
            }
        }
    }

    private void StopReading()
    {
        _reading?.Cancel();
        _reading?.Dispose();
        _reading = null;
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            await foreach (var flow in datapath().WatchFlowsAsync(cancellationToken))
            {
                foreach (var follower in _followers)
                {
                    follower.Writer.TryWrite(flow);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return;
        }
        catch (Exception exception)
        {
            // The boundary to foreign code: the followers are told and the agent goes on enforcing.
            LogFailed(exception);
            failure = exception;
        }

        Complete(failure, cancellationToken);
    }

    private void Complete(Exception? failure, CancellationToken reading)
    {
        lock (_lock)
        {
            if (reading.IsCancellationRequested)
            {
                return;
            }

            // Those who follow from now on start a reading of their own.
            StopReading();
            foreach (var follower in _followers)
            {
                follower.Writer.TryComplete(failure);
            }

            _followers = [];
        }
    }

    [LoggerMessage(1301, LogLevel.Error, "Reading verdict events failed")]
    private partial void LogFailed(Exception exception);
}
