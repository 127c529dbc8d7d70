using System.Diagnostics;
using Xunit;

namespace Portcullis.Host.Tests;

/// <summary>What becomes of a command whose output nobody can take.</summary>
public sealed class StandardOutputTests
{
    [Fact]
    public async Task Write_ReaderOfThePipeIsGone_EndsWithoutAWord()
    {
        var folder = Directory.CreateTempSubdirectory("pc-host-pipe-");
        try
        {
            // Opening it for writing needs a reader, which is closed again before the command starts.
            var (code, error) = await RunAsync($"mkfifo {folder.FullName}/pipe && exec 3<>{folder.FullName}/pipe 1>{folder.FullName}/pipe 3<&- && exec \"$0\" --help");

            Assert.Equal((3, string.Empty), (code, error));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("exec \"$0\" --help >/dev/full", "No space left on device")]
    [InlineData("exec \"$0\" --help >&-", "Bad file descriptor")]
    public async Task Write_Refused_IsSaidInOneLine(string script, string reason)
    {
        var (code, error) = await RunAsync(script);

        Assert.Equal(3, code);
        Assert.Contains(reason, Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
    }

    /// <summary>Runs a shell script whose <c>$0</c> is the executable.</summary>
    private static async Task<(int Code, string Error)> RunAsync(string script)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", script, Path.Combine(AppContext.BaseDirectory, "portcullis")]) { UseShellExecute = false, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var error = await process.StandardError.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        return (process.ExitCode, error);
    }
}
