using System.ComponentModel;
using System.Diagnostics;
using Portcullis.Host.Native;

namespace Portcullis.Benchmarks.Beds;

/// <summary>Programs in network namespaces.</summary>
internal static class Commands
{
    /// <summary>Whether a program is installed.</summary>
    public static bool Exists(string program) =>
        $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin".Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    /// <summary>Runs a program with input to its end.</summary>
    /// <returns>What it printed.</returns>
    /// <exception cref="BenchException">It is not installed or failed.</exception>
    public static string Run(NetworkNamespace network, string input, string program, params string[] arguments)
    {
        using var process = Start(network, program, arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        process.WaitForExit();
        var (printed, problem) = (output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
        return process.ExitCode == 0
            ? printed
            : throw new BenchException($"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}: {(problem + printed).Trim()}");
    }

    /// <summary>Starts a program.</summary>
    /// <exception cref="BenchException">It is not installed.</exception>
    public static Process Start(NetworkNamespace network, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            return network.Run(() => Process.Start(start)!);
        }
        catch (Win32Exception exception)
        {
            throw new BenchException($"{program}: not installed", exception);
        }
    }
}
