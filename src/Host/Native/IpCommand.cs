using System.ComponentModel;
using System.Diagnostics;

namespace Portcullis.Host.Native;

/// <summary>The program <c>ip</c> refused.</summary>
public sealed class IpCommandException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>Runs <c>ip</c> of iproute2.</summary>
public static class IpCommand
{
    /// <summary>Runs one command and returns what it printed.</summary>
    /// <exception cref="IpCommandException">It failed.</exception>
    public static string Run(params string[] arguments) => Execute(arguments, input: string.Empty);

    /// <summary>Runs commands inside a namespace, one a line, and stops at the first that fails.</summary>
    /// <exception cref="IpCommandException">One failed.</exception>
    public static void RunBatch(string networkNamespace, string commands) => Execute(["-n", networkNamespace, "-batch", "-"], commands);

    private static string Execute(string[] arguments, string input)
    {
        var start = new ProcessStartInfo("ip", arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Start(start);
        var error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new IpCommandException($"ip {string.Join(' ', arguments)}: {error.GetAwaiter().GetResult().Trim()}");
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception exception)
        {
            throw new IpCommandException("ip: not found; install the package iproute2", exception);
        }
    }
}
