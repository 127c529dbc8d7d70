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
    /// moment neither.
    /// </summary>
    /// <exception cref="CommandException">There is nothing to switch, or the other datapath failed; the present one stays.</exception>
    public Task<DatapathChoice> SwitchAsync(IDatapath next, DatapathChoice choice, CancellationToken cancellationToken) =>
        InvokeAsync(
            async () =>
            {
                var previous = _datapath;
                if (string.Equals(previous.Name, next.Name, StringComparison.Ordinal))
                {
                    throw new CommandException(ExitCode.No, [$"datapath {next.Name} is in use already"]);
                }

                if (!_status.Ready)
                {
                    throw new CommandException(ExitCode.No, ["the agent is not ready: switch the datapath when its status is"]);
                }

                _applyProblems = [.. (await InstallAsync(next)).Problems];
                Volatile.Write(ref _datapath, next);
                _status = _status with { Datapath = choice };
                LogSwitched(previous.Name, next.Name);
                Publish();
                await previous.CleanupAsync(allInstances: false, CancellationToken.None);
                return choice;
            },
            cancellationToken);

    private async Task<ApplyResult> InstallAsync(IDatapath next)
    {
        _replace = true;
        var changes = _resolver.Resolve(Compile(), Volatile.Read(ref _links));
        try
        {
            var result = await next.ApplyAsync(changes, CancellationToken.None);
            _replace = false;
            return result;
        }
        catch (DatapathException exception)
        {
            // The present datapath may not have been told what this snapshot holds: it stays marked for replacement.
            await next.CleanupAsync(allInstances: false, CancellationToken.None);
            throw new CommandException(ExitCode.Failure, [$"datapath {next.Name} could not take over: {exception.Message}"]);
        }
    }
}
