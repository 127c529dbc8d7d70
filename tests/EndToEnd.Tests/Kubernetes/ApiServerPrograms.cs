using System.Diagnostics;
using Xunit;

namespace Portcullis.EndToEnd.Tests.Kubernetes;

/// <summary>The programs of a real API server, as <c>eng/apiserver.sh</c> provides them; the first use on a machine builds them.</summary>
internal static class ApiServerPrograms
{
    private const int NotAvailable = 2;

    private static readonly Lazy<Task<string>> Folder = new(FindAsync);

    /// <summary>The folder that holds etcd, kube-apiserver and kubectl. Skips the test, with the reason, when they cannot be had here.</summary>
    public static Task<string> FolderAsync() => Folder.Value;

    private static async Task<string> FindAsync()
    {
        var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Executable.Path)!, "..", ".."));
        var start = new ProcessStartInfo(Path.Combine(root, "eng", "apiserver.sh")) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = (await process.StandardError.ReadToEndAsync()).Trim();
        await process.WaitForExitAsync();
        if (process.ExitCode == NotAvailable)
        {
            Assert.Skip(error.Split('\n')[^1]);
        }

        Assert.True(process.ExitCode == 0, $"eng/apiserver.sh: exit code {process.ExitCode}: {error}");
        return (await output).Trim();
    }
}
