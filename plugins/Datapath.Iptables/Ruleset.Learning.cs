using Microsoft.Extensions.Logging;
using Portcullis.Datapath.Iptables.Flows;
using Portcullis.Datapath.Iptables.Native;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Iptables;

internal sealed partial class Ruleset
{
    // What conntrack knew before it was made to look; null when it was not.
    private HashSet<TrackedFlow>? _knownBefore;

    /// <summary>Has conntrack look at packets: it does so in a network namespace only while some rule there asks it.</summary>
    /// <exception cref="DatapathException">It was refused.</exception>
    public void StartLearning()
    {
        var (iptables, _) = Connect();
        using var table = new ConntrackTable();
        _knownBefore = [.. table.List().Keys];
        var chain = _names.Fixed("learn");
        var script = $"*mangle\n:{chain} - [0:0]\n-A {chain} -m conntrack --ctstate ESTABLISHED -j RETURN\nCOMMIT\n";
        iptables.Restore(Families.ToDictionary(family => family, _ => script), LogLockHeld);
    }

    // What was learned passed the datapath that still enforces, in both directions: one of the ends may have opened it.
    private void CorrectOpeners(World world)
    {
        if (_knownBefore is not { } known)
        {
            return;
        }

        try
        {
            var openers = new FlowOpeners(world);
            using var table = new ConntrackTable();
            foreach (var (flow, timeout) in table.List().Where(flow => !known.Contains(flow.Key) && openers.IsWrong(flow.Key)))
            {
                table.TurnAround(flow, timeout);
            }
        }
        catch (DatapathException exception)
        {
            LogOpenersUnknown(exception.Message);
        }
    }

    [LoggerMessage(4003, LogLevel.Warning, "Connections under way whose server sends first may stop until their client sends: {Problem}")]
    private partial void LogOpenersUnknown(string problem);
}
