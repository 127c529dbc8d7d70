using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>Restores and lists rules of one backend.</summary>
internal sealed class IptablesTool(Backend backend)
{
    // The programs wait for the lock themselves, so many seconds at each attempt.
    private static readonly int[] LockWaits = [1, 2, 4, 8];

    // Another process changed nf_tables meanwhile: the transaction had no effect.
    private const int TransactionAttempts = 8;

    // Old programs know no other lock.
    private bool _canHoldTheLock = true;

    private bool? _hasSecurity;

    /// <summary>The backend.</summary>
    public Backend Backend => backend;

    /// <summary>Applies a script for each family. Each table of a script takes effect as a whole or not at all.</summary>
    /// <param name="scripts">The input for <c>iptables-restore --noflush</c> of each family.</param>
    /// <param name="onLockHeld">Told who holds the lock, before waiting longer.</param>
    /// <exception cref="DatapathException">It was refused.</exception>
    public void Restore(IReadOnlyDictionary<IpFamily, string> scripts, Action<string> onLockHeld)
    {
        var todo = scripts.Where(script => script.Value.Length > 0).ToList();
        foreach (var (family, result) in RunHoldingTheLock(todo) ?? Run(todo))
        {
            Finish(family, scripts[family], result, onLockHeld);
        }
    }

    // The families have tables of their own, but the programs of the legacy backend take turns by one lock, unless it is held for them.
    private List<(IpFamily Family, ToolResult Result)>? RunHoldingTheLock(List<KeyValuePair<IpFamily, string>> scripts)
    {
        using var held = backend == Backend.Legacy && scripts.Count > 1 && _canHoldTheLock ? XtablesLock.TryHold() : null;
        if (held is null)
        {
            return null;
        }

        var results = Run(scripts, XtablesLock.HeldByStarter);
        _canHoldTheLock = !results.Exists(run => XtablesLock.IsHeld(run.Result));
        return _canHoldTheLock ? results : null;
    }

    private List<(IpFamily Family, ToolResult Result)> Run(
        List<KeyValuePair<IpFamily, string>> scripts, (string Name, string Value)? variable = null) => scripts
        .ConvertAll(script => (script.Key, Running: Program(script.Key, "restore").Start(script.Value, variable, "--noflush", "-w", LockWaits[0].ToString())))
        .ConvertAll(run => (run.Key, run.Running.Wait()));

    /// <summary>Asks whether a script would be accepted, changing nothing. Waits so many seconds for the lock.</summary>
    public ToolResult Test(IpFamily family, string script, int lockWait) =>
        Program(family, "restore").Run(script, "--noflush", "--test", "-w", lockWait.ToString());

    /// <summary>
    /// The tables for rules, in the order to change them: what was in one and comes to another is judged twice meanwhile, not by none. Kernels
    /// can be built without table security.
    /// </summary>
    public IReadOnlyList<string> Tables(IReadOnlyList<IpFamily> families)
    {
        return HasSecurity(families) ? ["security", "mangle", "raw"] : ["mangle", "raw"];
    }

    private bool HasSecurity(IReadOnlyList<IpFamily> families)
    {
        if (_hasSecurity is { } known)
        {
            return known;
        }

        var has = backend == Backend.Nft;
        foreach (var family in has ? [] : families)
        {
            var result = Test(family, "*security\nCOMMIT\n", LockWaits[0]);
            if (XtablesLock.IsHeld(result))
            {
                // Not an answer: were it no, the next program would be refused, and the next try asks again.
                return true;
            }

            has = result.ExitCode == 0;
            if (!has)
            {
                break;
            }
        }

        _hasSecurity = has;
        return has;
    }

    /// <summary>Lists tables.</summary>
    /// <exception cref="DatapathException">They cannot be listed.</exception>
    public IReadOnlyDictionary<(string Table, IpFamily Family), SavedTable> Save(IReadOnlyList<IpFamily> families, params IReadOnlyList<string> tables) =>
        StartSave(families, tables).Wait();

    /// <summary>Starts to list tables of all families at once.</summary>
    public RunningSave StartSave(IReadOnlyList<IpFamily> families, params IReadOnlyList<string> tables) => new([
        .. from table in tables
           from family in families
           let save = Program(family, "save")
           select ((table, family), save.Name, save.Start(string.Empty, "-c", "-t", table)),
    ]);

    private Tool Program(IpFamily family, string verb) =>
        (verb == "restore" ? backend.Restore(family) : backend.Save(family))
        ?? throw new FeatureNotSupportedException($"iptables-{verb}", $"the {backend.Name} backend's program for {family} is not installed; install the package iptables");

    private void Finish(IpFamily family, string script, ToolResult result, Action<string> onLockHeld)
    {
        for (var attempt = 1; result.ExitCode != 0; attempt++)
        {
            var isLocked = XtablesLock.IsHeld(result);
            var attempts = isLocked ? LockWaits.Length : IsRaced(result) ? TransactionAttempts : 0;
            if (attempt >= attempts)
            {
                throw Refused(family, script, result, isLocked);
            }

            if (isLocked)
            {
                onLockHeld(XtablesLock.Describe());
            }

            var wait = LockWaits[Math.Min(attempt, LockWaits.Length - 1)];
            result = Program(family, "restore").Run(script, "--noflush", "-w", wait.ToString());
        }
    }

    private static bool IsRaced(ToolResult result) =>
        result.Error.Contains("Resource temporarily unavailable", StringComparison.Ordinal)
        || result.Error.Contains("generation", StringComparison.Ordinal);

    private DatapathException Refused(IpFamily family, string script, ToolResult result, bool isLocked)
    {
        if (isLocked)
        {
            return new DatapathException($"{XtablesLock.Describe()} for more than {LockWaits.Sum()} s; end that process or wait", isTransient: true);
        }

        var lines = script.Split('\n');
        var where = result.ErrorLine is { } line && line <= lines.Length ? $" at '{lines[line - 1]}'" : string.Empty;
        return new DatapathException($"{Program(family, "restore").Name}: {result.Problem}{where}", IsRaced(result));
    }
}
