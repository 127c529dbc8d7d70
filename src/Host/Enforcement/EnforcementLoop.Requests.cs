using Portcullis.Datapaths;
using Portcullis.Policy;
using Portcullis.Policy.Store;
using Portcullis.Rules;

namespace Portcullis.Host.Enforcement;

/// <content>What others may ask of the loop.</content>
internal sealed partial class EnforcementLoop
{
    /// <summary>Reads the resources as they are now.</summary>
    public Task<World> GetWorldAsync(CancellationToken cancellationToken) =>
        InvokeAsync(() => Task.FromResult(_store.ToWorld()), cancellationToken);

    /// <summary>Reads the endpoints as the datapath was told last, in order of their names.</summary>
    public Task<IReadOnlyList<Endpoint>> GetEndpointsAsync(CancellationToken cancellationToken) =>
        InvokeAsync(
            () => Task.FromResult<IReadOnlyList<Endpoint>>([.. _resolver.Endpoints.Values.OrderBy(endpoint => endpoint.Workload)]),
            cancellationToken);

    /// <summary>From where the world is looked at now.</summary>
    public Task<PolicyOptions> GetPolicyOptionsAsync(CancellationToken cancellationToken) =>
        InvokeAsync(
            () => Task.FromResult(new PolicyOptions
            {
                NodeName = _options.Node.Name,
                NodeAddresses = _nodeAddresses,
                Mode = _options.Enforcement.Mode,
            }),
            cancellationToken);

    /// <summary>Removes everything from the kernel and enforces nothing from then on.</summary>
    /// <returns>What was removed.</returns>
    public Task<IReadOnlyList<string>> ReleaseAsync(bool allInstances, CancellationToken cancellationToken) =>
        InvokeAsync(
            async () =>
            {
                _status = _status with { Released = true };
                Publish();
                var removed = await _datapath.CleanupAsync(allInstances, CancellationToken.None);
                LogReleased(removed.Count);
                return removed;
            },
            cancellationToken);

    /// <summary>
    /// Installs another datapath completely, then removes the present one: for a moment a packet must pass both, at no
    /// moment neither. What an earlier switch did not get to is made up for.
    /// </summary>
    /// <exception cref="CommandException">
    /// The other datapath failed and the present one stays, or it enforces and the present one could not be removed.
    /// </exception>
    public Task<DatapathChoice> SwitchAsync(IDatapath next, DatapathChoice choice, CancellationToken cancellationToken) =>
        InvokeAsync(
            async () =>
            {
                if (!IsInUse(next.Name))
                {
                    await TakeOverAsync(next, choice, cancellationToken);
                }

                await RemoveOthersAsync();
                return _removalProblems.IsEmpty
                    ? _status.Datapath
                    : throw new CommandException(
                        ExitCode.Failure,
                        [$"datapath {next.Name} enforces, but", .. _removalProblems.Select(problem => $"{problem.Object} {problem.Message}")]);
            },
            CancellationToken.None);

    /// <summary>Whether a datapath is the one in use.</summary>
    public bool IsInUse(string name) => string.Equals(Datapath.Name, name, StringComparison.Ordinal);

    private async Task TakeOverAsync(IDatapath next, DatapathChoice choice, CancellationToken cancellationToken)
    {
        var previous = _datapath.Name;
        var links = Volatile.Read(ref _links);
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!_status.Synced || _status.Released)
            {
                throw new CommandException(ExitCode.Failure, ["the agent does not enforce anything: wait until it is ready to switch the datapath"]);
            }

            // Whatever becomes of this, the datapath that enforces afterwards has not been told these changes alone.
            _replace = true;
            _applyProblems = [.. (await next.ApplyAsync(_resolver.Resolve(Compile(), links), CancellationToken.None)).Problems];
        }
        catch (Exception exception)
        {
            // The boundary to foreign code: whatever it throws, the present datapath stays.
            await next.CleanupAsync(allInstances: false, CancellationToken.None);
            throw exception is CommandException or OperationCanceledException
                ? exception
                : new CommandException(ExitCode.Failure, [$"datapath {next.Name} could not take over and {previous} stays: {exception.Message}"]);
        }

        Use(next, choice);
        LogSwitched(previous, next.Name);
        Succeeded(links);
    }
}
