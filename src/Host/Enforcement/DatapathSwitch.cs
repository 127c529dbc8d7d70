namespace Portcullis.Host.Enforcement;

/// <summary>Swaps the datapath of a running loop, one swap at a time.</summary>
internal sealed class DatapathSwitch(EnforcementLoop loop, DatapathSelection selection) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>Swaps to the datapath with this name; one that is in use already only has what others left removed.</summary>
    /// <exception cref="CommandException">It cannot run, or failed: the present one stays. Or what that left could not be removed.</exception>
    public async Task SwitchAsync(string name, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (loop.IsInUse(name))
            {
                await loop.SwitchAsync(loop.Datapath, loop.Status.Current.Datapath, cancellationToken);
                return;
            }

            var (next, choice) = await selection.OpenAsync(name, cancellationToken);
            try
            {
                // Beside the loop: changes need not wait for it.
                await next.LearnFlowsAsync(cancellationToken);
            }
            catch (Exception exception) when (exception is Datapaths.DatapathException or FeatureNotSupportedException or OperationCanceledException)
            {
                await next.CleanupAsync(allInstances: false, CancellationToken.None);
                throw exception is OperationCanceledException
                    ? exception
                    : new CommandException(ExitCode.Failure, [$"datapath {name} could not take over: {exception.Message}"]);
            }

            await loop.SwitchAsync(next, choice, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();
}
