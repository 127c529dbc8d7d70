using Portcullis.Datapath.Iptables.Native;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>The lock that the legacy programs take turns by.</summary>
internal static class XtablesLock
{
    private const string LockFile = "/run/xtables.lock";
    private const int ResourceProblem = 4;

    /// <summary>For programs that the holder of the lock starts: they lock a file that no other process has, instead.</summary>
    public static readonly (string Name, string Value) HeldByStarter = ("XTABLES_LOCKFILE", "/proc/self/status");

    /// <summary>Takes the lock, so that several programs of this process can run at once; null when it is not free.</summary>
    public static IDisposable? TryHold()
    {
        try
        {
            var file = new FileStream(LockFile, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });

            // The programs keep it locked even if this process is killed before they end.
            if (LibC.fcntl(file.SafeFileHandle, LibC.F_SETFD, 0) == 0)
            {
                return file;
            }

            file.Dispose();
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The programs take it themselves, one after another, or say what is wrong with it.
            return null;
        }
    }

    /// <summary>Whether a program failed because another one holds the lock.</summary>
    public static bool IsHeld(ToolResult result) =>
        result.ExitCode == ResourceProblem && result.Error.Contains("xtables lock", StringComparison.Ordinal);

    /// <summary>Says that the lock is held, and by whom as far as that can be found.</summary>
    public static string Describe()
    {
        var holder = Holder();
        return holder is null ? $"{LockFile} is held by another process" : $"{LockFile} is held by {holder}";
    }

    // "1: FLOCK  ADVISORY  WRITE 4711 00:18:1234 0 EOF"
    private static string? Holder()
    {
        if (Tool.Find("stat") is not { } stat)
        {
            return null;
        }

        var inode = stat.Run(string.Empty, "-c", "%i", LockFile).Output.Trim();
        foreach (var line in File.ReadLines("/proc/locks"))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 5 && words[1] == "FLOCK" && words[5].EndsWith($":{inode}", StringComparison.Ordinal))
            {
                return $"process {words[4]}{NameOf(words[4])}";
            }
        }

        return null;
    }

    private static string NameOf(string pid)
    {
        try
        {
            return $" ({File.ReadAllText($"/proc/{pid}/comm").Trim()})";
        }
        catch (IOException)
        {
            // It ended between the two reads.
            return string.Empty;
        }
    }
}
