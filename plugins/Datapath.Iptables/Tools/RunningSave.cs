using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>Tables that are being listed.</summary>
internal sealed class RunningSave(IReadOnlyList<((string Table, IpFamily Family) Key, string Program, RunningTool Running)> saves)
{
    /// <summary>Waits for the tables, on any thread.</summary>
    /// <exception cref="DatapathException">They cannot be listed.</exception>
    public IReadOnlyDictionary<(string Table, IpFamily Family), SavedTable> Wait()
    {
        var results = saves.Select(save => (save.Key, save.Program, Result: save.Running.Wait())).ToList();
        return results.ToDictionary(save => save.Key, save => save.Result.ExitCode == 0
            ? SavedTable.Parse(save.Result.Output)
            : throw new DatapathException($"{save.Program} -t {save.Key.Table}: {save.Result.Problem}"));
    }
}
