using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>How a program ended.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Error">Its standard error.</param>
internal sealed partial record ToolResult(int ExitCode, string Output, string Error)
{
    // nf_tables programs say their name in the first line and the problem in the second; more would repeat it for every rule.
    private const int MaxLines = 2;

    /// <summary>The error output as one line, or the exit code when it is empty.</summary>
    public string Problem => Error.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } lines
        ? string.Join(' ', lines.Take(MaxLines))
        : $"exit code {ExitCode}";

    /// <summary>The number of the input line that was refused, from 1; null when the error output names none.</summary>
    public int? ErrorLine => Line().Match(Error) is { Success: true } match && int.TryParse(match.Groups["number"].ValueSpan, out var line) ? line : null;

    [GeneratedRegex(@"\bline:? (?<number>[1-9][0-9]*)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Line();
}

/// <summary>A program of this machine.</summary>
internal sealed class Tool
{
    private static readonly string[] AlsoSearched = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

    // Not what the environment's locale says: names of interfaces are bytes to the kernel.
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly string _path;

    private Tool(string name, string path)
    {
        Name = name;
        _path = path;
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Finds a program; null when it is not installed.</summary>
    public static Tool? Find(string name)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var path = folders.Concat(AlsoSearched).Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        return path is null ? null : new Tool(name, path);
    }

    /// <summary>Runs it to its end.</summary>
    public ToolResult Run(string input, params IEnumerable<string> arguments) => Start(input, arguments).Wait();

    /// <summary>Starts it in the network namespace of the calling thread.</summary>
    /// <exception cref="FeatureNotSupportedException">It cannot be executed.</exception>
    public RunningTool Start(string input, params IEnumerable<string> arguments) => Start(input, null, arguments);

    /// <summary>As the other, with a variable of its environment.</summary>
    /// <exception cref="FeatureNotSupportedException">It cannot be executed.</exception>
    public RunningTool Start(string input, (string Name, string Value)? variable, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(_path, arguments)
        {
            RedirectStandardInput = true,
            StandardInputEncoding = Utf8,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        if (variable is var (name, value))
        {
            start.Environment[name] = value;
        }

        try
        {
            return new RunningTool(Process.Start(start)!, input);
        }
        catch (Win32Exception exception)
        {
            throw new FeatureNotSupportedException(Name, $"{_path} cannot be executed: {exception.Message}");
        }
    }
}

/// <summary>A program that runs.</summary>
internal sealed class RunningTool
{
    private readonly Process _process;
    private readonly Task _input;
    private readonly Task<string> _output;
    private readonly Task<string> _error;

    /// <summary>Feeds and reads the process, so that it never waits for this one.</summary>
    public RunningTool(Process process, string input)
    {
        _process = process;
        _output = process.StandardOutput.ReadToEndAsync();
        _error = process.StandardError.ReadToEndAsync();
        _input = FeedAsync(process.StandardInput, input);
    }

    /// <summary>Waits for its end.</summary>
    public ToolResult Wait()
    {
        using (_process)
        {
            _input.GetAwaiter().GetResult();
            var (output, error) = (_output.GetAwaiter().GetResult(), _error.GetAwaiter().GetResult());
            _process.WaitForExit();
            return new ToolResult(_process.ExitCode, output, error);
        }
    }

    private static async Task FeedAsync(StreamWriter to, string input)
    {
        try
        {
            await using (to)
            {
                await to.WriteAsync(input);
            }
        }
        catch (IOException)
        {
            // It stopped reading: its exit code and error output say why.
        }
    }
}
