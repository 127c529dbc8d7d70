using System.Diagnostics;
using Portcullis.Host.Native;

namespace Portcullis.EndToEnd.Tests;

/// <summary>How a command ended.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Error);

/// <summary>The executable that <c>./build.sh</c> laid out.</summary>
internal static class Executable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(200);

    /// <summary>Its path.</summary>
    public static string Path { get; } = Find();

    /// <summary>Runs a command in a namespace, or in the machine's.</summary>
    public static async Task<CommandResult> RunAsync(NetworkNamespace? network, params string[] arguments) =>
        await RunProgramAsync(network, Path, arguments);

    /// <summary>Runs any program in a namespace, or in the machine's.</summary>
    public static async Task<CommandResult> RunProgramAsync(NetworkNamespace? network, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = network is null ? Process.Start(start)! : network.Run(() => Process.Start(start)!);
        using var deadline = new CancellationTokenSource(Limit);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException exception)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(
                $"{program} {string.Join(' ', arguments)}: not finished after {Limit.TotalSeconds} s\n{await error}\n{await output}", exception);
        }

        return new CommandResult(process.ExitCode, await output, await error);
    }

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder.FullName, "portcullis.slnx")))
        {
            folder = folder.Parent;
        }

        var path = System.IO.Path.Combine(folder?.FullName ?? string.Empty, "artifacts", "portcullis", "portcullis");
        return File.Exists(path) ? path : throw new InvalidOperationException($"{path}: not found: run ./build.sh first");
    }
}
