namespace Portcullis.Host;

/// <summary>What a command ends with.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>The answer is no: denied, findings, not ready in time.</summary>
    public const int No = 1;

    /// <summary>Usage, configuration or environment: nothing was changed.</summary>
    public const int Usage = 2;

    /// <summary>Failure while running.</summary>
    public const int Failure = 3;
}

/// <summary>Ends a command with an exit code and lines for people.</summary>
internal sealed class CommandException(int code, params IReadOnlyList<string> lines) : Exception(string.Join('\n', lines))
{
    /// <summary>The exit code.</summary>
    public int Code { get; } = code;

    /// <summary>What to print, one line each.</summary>
    public IReadOnlyList<string> Lines { get; } = lines;
}
