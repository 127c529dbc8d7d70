using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Portcullis.Sources.Kubernetes.Connection;
using Portcullis.Sources.Kubernetes.Objects;

namespace Portcullis.Sources.Kubernetes.Informers;

/// <summary>
/// Keeps the objects of one kind current: lists them, then watches from the version of the list, and lists again whenever a
/// change may have been missed. Retries for ever.
/// </summary>
internal sealed partial class Informer<T>(
    ApiKind<T> kind, IObjectSet<T> objects, ApiServer server, ChangeBoard board, TimeProvider time, ILogger logger) : IInformer
    where T : class, IApiObject
{
    private const int MaxFrameBytes = 16 * 1024 * 1024;
    private const int MaxEmptyWatches = 5;

    /// <summary>Servers send a bookmark a minute; a watch that is this silent is dead.</summary>
    private static readonly TimeSpan WatchSilence = TimeSpan.FromSeconds(150);
    private static readonly TimeSpan ListSilence = TimeSpan.FromSeconds(60);

    /// <summary>A watch that ends sooner and told nothing counts as a failure.</summary>
    private static readonly TimeSpan ShortWatch = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LongestRequestedWait = TimeSpan.FromSeconds(60);

    private readonly Backoff _backoff = new();
    private readonly OptionalKind<T>? _optional = kind.IsOptional ? new OptionalKind<T>(kind, objects, board, time) : null;
    private string? _version;
    private int _emptyWatches;
    private bool _isWatching;
    private bool _isElsewhere;
    private ApiKind<T> _kind = kind;

    public string Kind => _kind.Name;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ApiConnection? connection = null;
            try
            {
                connection = server.Connect();
                _version ??= await ListAsync(connection, cancellationToken);
                await WatchAsync(connection, cancellationToken);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                // The supervisor: whatever goes wrong with one kind, it is reported and tried again.
                await RecoverAsync(exception, connection, cancellationToken);
            }

            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private async Task<string> ListAsync(ApiConnection connection, CancellationToken cancellationToken)
    {
        var observedAt = time.GetTimestamp();
        objects.Restart();
        string? next = null;
        string version;
        var count = 0;
        do
        {
            var page = await ReadPageAsync(connection, next, cancellationToken);
            version = page.Metadata?.ResourceVersion is { Length: > 0 } listed ? listed : throw new UnreadableException("a list has no version");
            foreach (var item in page.Items ?? [])
            {
                objects.Stage(item);
                count++;
            }

            next = page.Metadata.Continue is { Length: > 0 } more ? more : null;
        }
        while (next is not null);
        objects.Commit(observedAt);
        _isElsewhere = false;
        board.MarkSynced(_kind.Name);
        _optional?.IsServed();
        LogListed(_kind.Name, count, version);
        return version;
    }

    private async Task<ObjectList<T>> ReadPageAsync(ApiConnection connection, string? next, CancellationToken cancellationToken)
    {
        using var watchdog = new Watchdog(ListSilence, time, cancellationToken);
        try
        {
            using var response = await connection.GetAsync(_kind.ListPath(next), watchdog.Token);
            await using var stream = new WatchedStream(await response.Content.ReadAsStreamAsync(watchdog.Token), watchdog);
            return await JsonSerializer.DeserializeAsync(stream, _kind.List, watchdog.Token) ?? throw new UnreadableException("a list is null");
        }
        catch (JsonException exception)
        {
            throw new UnreadableException($"a list is no valid JSON of its kind: {exception.Message}", exception);
        }
        catch (OperationCanceledException) when (watchdog.IsSilent)
        {
            throw new SilenceException();
        }
    }

    private async Task WatchAsync(ApiConnection connection, CancellationToken cancellationToken)
    {
        using var watchdog = new Watchdog(WatchSilence, time, cancellationToken);
        var started = time.GetTimestamp();
        try
        {
            var duration = TimeSpan.FromSeconds(Random.Shared.Next(240, 300));
            using var response = await connection.GetAsync(_kind.WatchPath(_version!, duration), watchdog.Token);
            await using var stream = new WatchedStream(await response.Content.ReadAsStreamAsync(watchdog.Token), watchdog);
            _isWatching = true;
            board.SetProblem(_kind.Name, null);
            await ReadFramesAsync(stream, watchdog.Token);
        }
        catch (OperationCanceledException) when (watchdog.IsSilent)
        {
            LogSilent(_kind.Name, WatchSilence.TotalSeconds);
            return;
        }

        await EndAsync(time.GetElapsedTime(started), cancellationToken);
    }

    /// <summary>The server ended the watch. One that tells nothing again and again may never have had the version.</summary>
    private async Task EndAsync(TimeSpan lasted, CancellationToken cancellationToken)
    {
        if (_emptyWatches == 0 || lasted >= ShortWatch)
        {
            _emptyWatches = lasted >= ShortWatch ? 1 : _emptyWatches + 1;
            _backoff.Reset();
        }
        else if (++_emptyWatches > MaxEmptyWatches)
        {
            LogRelisting(_kind.Name, "watches end at once without telling anything");
            _version = null;
            _emptyWatches = 1;
        }

        if (lasted < ShortWatch)
        {
            await Task.Delay(_backoff.Next(), time, cancellationToken);
        }
    }

    private async Task ReadFramesAsync(Stream stream, CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 32 * 1024));
        try
        {
            while (true)
            {
                var read = await reader.ReadAsync(cancellationToken);
                var buffer = read.Buffer;
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    Take(buffer.Slice(0, end));
                    buffer = buffer.Slice(buffer.GetPosition(1, end));
                }

                if (buffer.Length > MaxFrameBytes)
                {
                    throw new UnreadableException($"a frame is larger than {MaxFrameBytes} bytes");
                }

                reader.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted)
                {
                    // What is left is half a frame. Its version was not reached, so the next watch brings it again.
                    return;
                }
            }
        }
        finally
        {
            await reader.CompleteAsync();
        }
    }

    private void Take(ReadOnlySequence<byte> line)
    {
        var observedAt = time.GetTimestamp();
        var frame = WatchFrame<T>.Read(line, _kind.Frame);
        switch (frame.Type)
        {
            case FrameType.Added or FrameType.Modified:
                objects.Set(frame.Object, observedAt);
                break;
            case FrameType.Deleted:
                objects.Remove(frame.Object, observedAt);
                break;
            default:
                break;
        }

        _version = frame.Version;
        _emptyWatches = 0;
        _backoff.Reset();
    }

    private async Task RecoverAsync(Exception exception, ApiConnection? connection, CancellationToken cancellationToken)
    {
        var wasWatching = _isWatching;
        _isWatching = false;
        LogFailed(_kind.Name, exception);
        if (MayHaveMissedSomething(exception) && _version is not null)
        {
            LogRelisting(_kind.Name, exception.Message);
            _version = null;
        }

        if (exception is ApiException { Status: HttpStatusCode.NotFound, IsInStream: false } && _kind.OtherGroupVersion is not null)
        {
            // Only what is at neither place is not there.
            _kind = _kind.Elsewhere();
            _isElsewhere = !_isElsewhere;
            if (_isElsewhere)
            {
                return;
            }
        }

        if (_optional is not null && connection is not null && exception is ApiException { IsInStream: false } refused
            && await _optional.JudgeAsync(refused, connection, server, cancellationToken) is { } wait)
        {
            await Task.Delay(wait, time, cancellationToken);
            return;
        }

        // A watch that breaks is nothing to tell anybody, unless it cannot be made again.
        if (!wasWatching && !IsOfAbandonedConnection(exception))
        {
            board.SetProblem(_kind.Name, Failures.Explain(exception, server, connection, _kind.Name));
        }

        if (connection is not null
            && exception is (HttpRequestException or SilenceException or OperationCanceledException or ApiException { Status: HttpStatusCode.Unauthorized }))
        {
            server.Abandon(connection);
        }

        await Task.Delay(NextWait(exception), time, cancellationToken);
    }

    private TimeSpan NextWait(Exception exception) => exception is ApiException { RetryAfter: { } requested }
        ? TimeSpan.FromTicks(Math.Clamp(requested.Ticks, 0, LongestRequestedWait.Ticks))
        : _backoff.Next();

    /// <summary>Whether another kind gave up the connection while this one used it. A connection that is not made in time is cancelled too, but says so.</summary>
    private static bool IsOfAbandonedConnection(Exception exception) =>
        exception is ObjectDisposedException or OperationCanceledException { InnerException: not TimeoutException };

    /// <summary>Whether the next watch would not bring everything that happened.</summary>
    private static bool MayHaveMissedSomething(Exception exception) => exception switch
    {
        ApiException { IsInStream: true } => true,
        ApiException { Status: HttpStatusCode.Gone or HttpStatusCode.NotFound or HttpStatusCode.BadRequest } => true,
        ApiException or ApiConfigurationException or HttpRequestException or IOException or SilenceException or OperationCanceledException
            or ObjectDisposedException => false,
        _ => true,
    };
}
