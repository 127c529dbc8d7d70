using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Iptables.Flows;
using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables;

/// <summary>Judges packets by netfilter: sets of peers, chains of rules, conntrack for replies.</summary>
/// <remarks>
/// Everything that touches the kernel runs on one thread, in order, in the network namespace of the thread that created
/// the datapath.
/// </remarks>
internal sealed partial class IptablesDatapath : IDatapath
{
    /// <summary>The name configuration chooses it by.</summary>
    public const string PluginName = "iptables";

    // Flows that send more rarely are learned when they do, their client's next packet first.
    private static readonly TimeSpan LearningTime = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time;
    private readonly KernelThread _kernel = new("portcullis-iptables");
    private readonly Ruleset _ruleset;
    private readonly FlowLog _flows;
    private readonly StatusReader _status;
    private readonly DriftWatch _drift;

    /// <summary>Creates the datapath; nothing in the kernel changes before the first apply.</summary>
    public IptablesDatapath(DatapathSettings settings, TimeProvider time, ILogger<IptablesDatapath> logger)
        : this(settings, time, logger, backend: null)
    {
    }

    /// <summary>As the public constructor, with a backend that is not detected.</summary>
    internal IptablesDatapath(DatapathSettings settings, TimeProvider time, ILogger<IptablesDatapath> logger, Backend? backend)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _time = time;
        _ruleset = new Ruleset(settings, logger, backend);
        _flows = new FlowLog(_ruleset.NflogGroup, packet => _ruleset.Explainer?.Explain(packet, time));
        _status = new StatusReader(_kernel, _ruleset, time, logger);
        _drift = new DriftWatch(_kernel, _ruleset, time, logger);
    }

    /// <inheritdoc/>
    public string Name => PluginName;

    /// <inheritdoc/>
    public async ValueTask<DatapathSupport> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _kernel.RunAsync(_ruleset.Probe, cancellationToken);
        }
        catch (Exception exception) when (exception is FeatureNotSupportedException or DatapathException)
        {
            return new DatapathSupport(false, exception.Message);
        }
    }

    /// <inheritdoc/>
    public async ValueTask LearnFlowsAsync(CancellationToken cancellationToken)
    {
        await _kernel.RunAsync(
            () =>
            {
                _ruleset.StartLearning();
                return true;
            },
            cancellationToken);
        await Task.Delay(LearningTime, _time, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<ApplyResult> ApplyAsync(ChangeSet changes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var result = await _kernel.RunAsync(() => Applied(changes), cancellationToken);
        _drift.Changed();
        return result;
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<string>> CleanupAsync(bool allInstances, CancellationToken cancellationToken) =>
        await _kernel.RunAsync(() => _ruleset.Cleanup(allInstances), cancellationToken);

    /// <inheritdoc/>
    public DatapathStatus GetStatus() => _status.Read() with { FlowEventsLost = _flows.Lost, DriftRepairs = _drift.Repairs };

    /// <inheritdoc/>
    public async IAsyncEnumerable<FlowEvent> WatchFlowsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = await _kernel.RunAsync(_flows.Watch, cancellationToken);
        try
        {
            await foreach (var flow in reader.ReadAllAsync(cancellationToken))
            {
                yield return flow;
            }
        }
        finally
        {
            _flows.Unwatch(reader);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _drift.DisposeAsync();
        _flows.Dispose();
        await _kernel.DisposeAsync();
    }

    /// <summary>Looks now for changes by others.</summary>
    internal Task LookForDriftAsync() => _drift.CheckAsync();

    private ApplyResult Applied(ChangeSet changes)
    {
        try
        {
            var result = _ruleset.Apply(changes);
            _drift.Listen();
            return result;
        }
        catch (FeatureNotSupportedException exception)
        {
            throw new DatapathException(exception.Message, isTransient: false, exception);
        }
    }
}
